//! Calls below the client: any header, any bytes.
//!
//! Owns one gRPC call over a bare HTTP/2 connection, so that a test can send what a good client
//! never would and see the server's own answer.

use api::session::Rpc;
use bytes::Bytes;
use tokio::net::TcpStream;
use tonic::Status;

/// Calls an RPC with exactly these headers besides those of the transport.
pub(crate) async fn call<R: Rpc>(url: &str, headers: &[(&str, &str)], request: &R) -> Status {
    send(url, R::PATH, headers, request.encode_to_vec()).await
}

/// Sends bytes as the message of a method; gives the status it ends with.
pub(crate) async fn send(
    url: &str,
    method: &str,
    headers: &[(&str, &str)],
    message: Vec<u8>,
) -> Status {
    let address = url.strip_prefix("http://").expect("a plain URL");
    let tcp = TcpStream::connect(address)
        .await
        .expect("the service takes connections");
    let (mut sender, connection) = h2::client::handshake(tcp).await.expect("it speaks HTTP/2");
    let connection = tokio::spawn(connection);
    let mut head = http::Request::post(format!("{url}{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        head = head.header(*name, *value);
    }
    let head = head.body(()).expect("the headers can be sent");
    let (answer, mut body) = sender.send_request(head, false).expect("a request begins");
    let length = u32::try_from(message.len()).expect("a message below 4 GiB");
    let framed = [&[0], &length.to_be_bytes()[..], &message].concat();
    // A server that has refused already may have closed its side.
    let _ = body.send_data(Bytes::from(framed), true);
    let answer = answer.await.expect("an answer begins");
    let status = if let Some(status) = Status::from_header_map(answer.headers()) {
        status
    } else {
        let mut body = answer.into_body();
        while let Some(chunk) = body.data().await {
            let length = chunk.expect("an answer goes on").len();
            body.flow_control()
                .release_capacity(length)
                .expect("it was received");
        }
        let trailers = body
            .trailers()
            .await
            .expect("an answer ends")
            .unwrap_or_default();
        Status::from_header_map(&trailers).expect("a gRPC status")
    };
    connection.abort();
    status
}
