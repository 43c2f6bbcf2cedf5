use std::fmt::Write as _;
use std::path::Path;

use prost_types::FileDescriptorProto;

use super::*;

/// Ours, not those of Google that are imported.
fn files() -> impl Iterator<Item = FileDescriptorProto> {
    descriptors()
        .file
        .into_iter()
        .filter(|file| file.package() == "benniu.v1")
}

/// The protocol in short, a line for each RPC, field and enum value.
fn outline() -> String {
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").unwrap();
    for file in files() {
        for service in &file.service {
            for rpc in &service.method {
                line(format!("rpc {}/{}", service.name(), rpc.name()));
            }
        }
        for message in &file.message_type {
            for field in &message.field {
                let repeated =
                    if field.label() == prost_types::field_descriptor_proto::Label::Repeated {
                        "repeated "
                    } else {
                        ""
                    };
                let kind = if field.type_name().is_empty() {
                    field
                        .r#type()
                        .as_str_name()
                        .trim_start_matches("TYPE_")
                        .to_lowercase()
                } else {
                    field.type_name().trim_start_matches('.').to_owned()
                };
                let (name, number) = (field.name(), field.number());
                line(format!(
                    "message {}.{name} = {number}: {repeated}{kind}",
                    message.name()
                ));
            }
        }
        for choice in &file.enum_type {
            for value in &choice.value {
                line(format!(
                    "enum {}.{} = {}",
                    choice.name(),
                    value.name(),
                    value.number()
                ));
            }
        }
    }
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n") + "\n"
}

/// Set `UPDATE_GOLDEN=1` to write the golden file anew, and say in the commit why.
#[test]
fn the_protocol_is_the_golden_one() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/protocol.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(golden.parent().unwrap()).unwrap();
        std::fs::write(&golden, outline()).unwrap();
    }
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    assert!(
        expected == outline(),
        "the protocol is not that of {}",
        golden.display()
    );
}

#[test]
fn everything_has_a_comment() {
    for file in files() {
        let info = file.source_code_info.clone().unwrap_or_default();
        let has_comment = |path: &[i32]| {
            info.location
                .iter()
                .any(|place| place.path == path && !place.leading_comments().trim().is_empty())
        };
        let check = |path: &[i32], name: &str| {
            assert!(has_comment(path), "{}: {name} has no comment", file.name());
        };
        for (s, service) in (0..).zip(&file.service) {
            check(&[6, s], service.name());
            for (r, rpc) in (0..).zip(&service.method) {
                check(&[6, s, 2, r], rpc.name());
            }
        }
        for (m, message) in (0..).zip(&file.message_type) {
            check(&[4, m], message.name());
            for (f, field) in (0..).zip(&message.field) {
                check(&[4, m, 2, f], field.name());
            }
        }
        for (e, choice) in (0..).zip(&file.enum_type) {
            check(&[5, e], choice.name());
            for (v, value) in (0..).zip(&choice.value) {
                check(&[5, e, 2, v], value.name());
            }
        }
    }
}

#[test]
fn names_follow_the_conventions() {
    let mut messages = std::collections::BTreeSet::new();
    for file in files() {
        for service in &file.service {
            assert!(service.name().ends_with("Service"), "{}", service.name());
            for rpc in &service.method {
                for (kind, full) in [
                    ("Request", rpc.input_type()),
                    ("Response", rpc.output_type()),
                ] {
                    let name = full.trim_start_matches(".benniu.v1.");
                    let short = format!("{}{kind}", rpc.name());
                    let long = format!("{}{short}", service.name());
                    assert!(name == short || name == long, "{name}");
                    assert!(messages.insert(name.to_owned()), "{name} serves two RPCs");
                }
            }
        }
        for choice in &file.enum_type {
            let prefix = domain::refusal::upper_snake(choice.name());
            assert_eq!(choice.value[0].name(), format!("{prefix}_UNSPECIFIED"));
            assert_eq!(choice.value[0].number(), 0);
            for value in &choice.value {
                assert!(value.name().starts_with(&prefix), "{}", value.name());
            }
        }
    }
}

#[test]
fn every_command_carries_its_id_first_and_answers_with_a_receipt() {
    let mut commands = 0;
    for file in files() {
        for message in &file.message_type {
            let field = |name: &str| message.field.iter().find(|field| field.name() == name);
            if let Some(id) = field("command_id") {
                assert_eq!(id.number(), 1, "{}", message.name());
                let rpc = message.name().strip_suffix("Request");
                let response = format!("{}Response", rpc.unwrap_or_default());
                let response = file
                    .message_type
                    .iter()
                    .find(|other| other.name() == response);
                assert_eq!(response.unwrap().field[0].name(), "receipt");
                commands += 1;
            }
        }
    }
    assert_eq!(commands, 165);
}
