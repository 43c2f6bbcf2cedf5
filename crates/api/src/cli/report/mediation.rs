//! `benniu report mediation`.

use clap::ValueEnum;
use domain::Instant;
use serde_json::{Value, json};

use super::{Of, PAGE_ROWS, Sheet, ask, instant, print_picture, share, text, when};
use crate::cli::Failure;
use crate::cli::picture::{Shown, asked};
use crate::cli::source::seen;
use crate::pictures::mediation as picture;
use crate::services::report::mediation;
use crate::wire;

/// Show how many disputes came from each stage of mediation to the next, as of a date
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only disputes registered from then on
    #[arg(long, value_name = "TIME", value_parser = crate::cli::instant)]
    from: Option<Instant>,
    /// Only disputes registered before then
    #[arg(long, value_name = "TIME", value_parser = crate::cli::instant)]
    until: Option<Instant>,
    /// Only disputes of this kind
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// Only disputes whose panel this office leads
    #[arg(long, value_name = "NAME", default_value = "")]
    lead_office: String,
    /// As of when; now if absent
    #[arg(long, value_name = "TIME", value_parser = crate::cli::instant)]
    as_of: Option<Instant>,
    /// Put disputes together by this
    #[arg(long, value_enum)]
    by: Option<By>,
    #[command(flatten)]
    shown: Shown,
    #[command(flatten)]
    of: Of,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Neighbour,
    Consumer,
    Other,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum By {
    Month,
    Kind,
    LeadOffice,
    Unit,
}

const COLUMNS: &[&str] = &[
    "group",
    "registered",
    "accepted",
    "agreed",
    "binding",
    "performed",
    "failed",
    "withdrawn",
    "terminated",
    "to court",
    "confirmed",
    "broke out again",
    "days p50",
    "days p90",
    "days p99",
];

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let opened = args.of.source.open().await?;
    let kind = args
        .kind
        .map_or(wire::DisputeKind::Unspecified, |kind| match kind {
            Kind::Neighbour => wire::DisputeKind::Neighbour,
            Kind::Consumer => wire::DisputeKind::Consumer,
            Kind::Other => wire::DisputeKind::Other,
        });
    let by = args
        .by
        .map_or(wire::MediationGroup::Unspecified, |by| match by {
            By::Month => wire::MediationGroup::Month,
            By::Kind => wire::MediationGroup::Kind,
            By::LeadOffice => wire::MediationGroup::LeadOffice,
            By::Unit => wire::MediationGroup::Unit,
        });
    let mut request = wire::GetMediationFunnelRequest {
        unit_id: args.of.unit_id(),
        from: instant(args.from),
        until: instant(args.until),
        kind: kind.into(),
        lead_office: args.lead_office,
        as_of: instant(args.as_of),
        group_by: by.into(),
        page_size: PAGE_ROWS,
        ..Default::default()
    };
    let mut sheet = Sheet::new("mediation", COLUMNS);
    let mut groups = Vec::new();
    loop {
        let answer = ask(&opened, &request, |models, log, now| {
            let build = models.mediation_report.read();
            let mut answer = mediation::funnel(models, &build, &request, now)?;
            answer.read_point = Some(seen(log, &build));
            Ok(answer)
        });
        let mut answer = answer.await?;
        sheet.rows.extend(answer.groups.iter().map(row));
        groups.append(&mut answer.groups);
        request.page_token = std::mem::take(&mut answer.next_page_token);
        if request.page_token.is_empty() {
            sheet.notes.push(("as of (UTC)", when(answer.as_of)));
            answer.groups = groups;
            let kind = args.kind.map(|kind| format!("{kind:?}").to_lowercase());
            let asked = asked(&[
                ("unit", request.unit_id),
                ("registered from", text(&when(request.from))),
                ("registered before", text(&when(request.until))),
                ("kind", kind.unwrap_or_default()),
                ("led by", request.lead_office),
            ]);
            return print_picture(
                &args.shown,
                args.of.source.json,
                &[&sheet],
                picture::TITLE,
                &|| picture::terminal(&answer),
                &|| picture::svg(&answer, &asked),
            );
        }
    }
}

/// Seconds as days with one decimal, cut.
fn days(seconds: Option<u64>) -> Value {
    seconds.map_or(Value::Null, |seconds| {
        let tenths = seconds / 8_640;
        json!(format!("{}.{}", tenths / 10, tenths % 10))
    })
}

fn row(funnel: &wire::MediationFunnel) -> Vec<Value> {
    let took = funnel.time_to_agreement.unwrap_or_default();
    vec![
        json!(funnel.group),
        json!(funnel.registered),
        share(funnel.accepted),
        share(funnel.agreed),
        share(funnel.effective),
        share(funnel.performed),
        share(funnel.failed),
        share(funnel.withdrawn),
        share(funnel.terminated),
        share(funnel.referred_to_court),
        share(funnel.confirmed),
        share(funnel.relapsed),
        days(took.p50_seconds),
        days(took.p90_seconds),
        days(took.p99_seconds),
    ]
}
