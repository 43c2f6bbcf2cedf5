//! The demo's real input: 2,401 service requests of Boston's 311 line, shipped in the binary.
//!
//! Owns the shipped files and their digests. The import itself is [`crate::import`].

use chrono_tz::America::New_York;
use domain::Instant;
use domain::ids::{PrincipalId, derived, hex};
use sha2::{Digest, Sha256};
use tonic::Status;

use crate::import::{self, File, Report};
use crate::session::Session;
use crate::wire;

/// The shipped files: name, bytes, SHA-256 of the source's bytes.
const FILES: [(&str, &[u8], &str); 4] = [
    (
        "egress.csv",
        include_bytes!("../../../../demo/boston-311-2015/egress.csv"),
        "d7a2157e905fb77b4f8a883f34d2115b646a2d1a6485fcdad565625063f5a4da",
    ),
    (
        "fire-hydrant.csv",
        include_bytes!("../../../../demo/boston-311-2015/fire-hydrant.csv"),
        "17ffb5d11b69b023cd1e512ba77c17514bcfdff3ce83cbbd0e07c653e343f238",
    ),
    (
        "street-light-knock-downs.csv",
        include_bytes!("../../../../demo/boston-311-2015/street-light-knock-downs.csv"),
        "10b21a4a0f15d6cf4720c3ff93866fdd0afa4682d610b71c656e9c94b57406cf",
    ),
    (
        "unsafe-dangerous-conditions.csv",
        include_bytes!("../../../../demo/boston-311-2015/unsafe-dangerous-conditions.csv"),
        "b1f84c302cbc37a97a4fd8ed890c5c6f4a3c54371286d4aa44bf7e31e14274d5",
    ),
];

/// Who approves the import; the administrator announces it.
const APPROVER: &str = "import-approver";

/// Where the clock stands at the import: 2016-01-12 00:00 in Boston.
pub(crate) fn stands_at() -> Instant {
    use chrono::TimeZone;
    let midnight = New_York.with_ymd_and_hms(2016, 1, 12, 0, 0, 0).earliest();
    midnight.map(|time| time.to_utc()).unwrap_or_default()
}

/// The shipped files; altered, the first closed row of the first file is closed a year later.
fn files(altered: bool) -> Vec<File> {
    let mut files: Vec<_> = FILES
        .iter()
        .map(|(name, bytes, _)| File {
            path: (*name).into(),
            bytes: bytes.to_vec(),
        })
        .collect();
    if altered && let Some(file) = files.last_mut() {
        let text = String::from_utf8_lossy(&file.bytes);
        // A target in January 2015 that was missed becomes one in 2016 that was met.
        file.bytes = text
            .replacen("01/03/2015 11:35:42 AM", "01/03/2016 11:35:42 AM", 1)
            .into();
    }
    files
}

/// True if the files are byte for byte those of the source.
pub(crate) fn files_are_whole(altered: bool) -> bool {
    files(altered)
        .iter()
        .zip(FILES)
        .all(|(file, (_, _, digest))| hex(&Sha256::digest(&file.bytes)) == digest)
}

/// Imports them: the administrator announces, a second person approves.
pub(crate) async fn import(
    admin: &Session,
    altered: bool,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Report, Status> {
    let person_id = derived("demo person", &[&APPROVER]).to_string();
    let id = |step: &str| derived("demo approver", &[&step]).to_string();
    admin
        .call(wire::RegisterPersonRequest {
            command_id: id("person"),
            person_id: person_id.clone(),
            name: "approver of imports".to_owned(),
            ..Default::default()
        })
        .await?;
    admin
        .call(wire::RegisterPrincipalRequest {
            command_id: id("principal"),
            subject: APPROVER.to_owned(),
            system: false,
        })
        .await?;
    admin
        .call(wire::LinkPrincipalRequest {
            command_id: id("link"),
            principal_id: PrincipalId::of_subject(APPROVER).to_string(),
            person_id,
        })
        .await?;
    let approver = admin
        .in_the_name_of(APPROVER)
        .map_err(|error| Status::internal(error.to_string()))?;
    import::boston_311(admin, &approver, &files(altered), progress).await
}

/// Totals of each neighbourhood, by name.
pub(crate) async fn totals_by_unit(
    admin: &Session,
) -> Result<Vec<(String, wire::HazardTotals)>, Status> {
    let request = wire::ListUnitsRequest {
        parent_id: import::unit_id("city").to_string(),
        page_size: 100,
        consistency: Some(super::after_all()),
        ..Default::default()
    };
    let mut rows = Vec::new();
    for unit in admin.call(request).await?.units {
        let request = wire::GetHazardTotalsRequest {
            unit_id: unit.unit_id,
            ..Default::default()
        };
        let totals = admin.call(request).await?.totals.unwrap_or_default();
        rows.push((unit.name, totals));
    }
    rows.sort_by(|(a, one), (b, other)| other.total.cmp(&one.total).then(a.cmp(b)));
    Ok(rows)
}

/// Totals of the city.
pub(crate) async fn totals(admin: &Session) -> Result<wire::HazardTotals, Status> {
    let request = wire::GetHazardTotalsRequest {
        unit_id: import::unit_id("city").to_string(),
        consistency: Some(super::after_all()),
        ..Default::default()
    };
    Ok(admin.call(request).await?.totals.unwrap_or_default())
}
