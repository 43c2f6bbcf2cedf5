//! Mediation: how many disputes came from each stage to the next, as bars in their denominators.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::frame::{
    self, Area, Drawn, FILL, Frame, INK, Key, NORMAL, as_of, count, px, seen, style, words,
};
use super::places::{Places, middle_of, place_of};
use super::{NotDrawn, terminal};
use crate::wire;

/// Groups that are drawn at most; the table beside the picture holds all.
const GROUPS_MAX: usize = 12;
/// Height of a bar with its space, in pixels.
const ROW: u32 = 24;
/// Height of what stands above a group's bars, in pixels.
const HEADING: u32 = 30;
/// Height of the axis below them, in pixels.
const FOOT: u32 = 46;
/// Width of the stages' names, of the bars and of the figures behind them, in pixels.
const WIDTHS: [u32; 3] = [170, 420, 330];

/// The picture's title.
pub(crate) const TITLE: &str = "Mediation funnel: disputes by stage";

/// A stage: its name, how many came to it, of how many of what.
struct Stage {
    name: &'static str,
    count: u64,
    of: u64,
    whole: &'static str,
}

fn stages(funnel: &wire::MediationFunnel) -> Vec<Stage> {
    let stage = |name, rate: Option<wire::Rate>, whole| {
        let rate = rate.unwrap_or_default();
        Stage {
            name,
            count: rate.numerator,
            of: rate.denominator,
            whole,
        }
    };
    let all = Some(wire::Rate {
        numerator: funnel.registered,
        denominator: funnel.registered,
    });
    vec![
        stage("registered", all, ""),
        stage("accepted", funnel.accepted, "registered"),
        stage("agreed", funnel.agreed, "accepted"),
        stage("binding", funnel.effective, "agreed"),
        stage("performed", funnel.performed, "binding"),
        stage("not accepted", funnel.not_accepted, "registered"),
        stage("withdrawn", funnel.withdrawn, "registered"),
        stage("terminated", funnel.terminated, "registered"),
        stage("failed", funnel.failed, "accepted"),
        stage("shown to court", funnel.referred_to_court, "binding"),
        stage("confirmed by court", funnel.confirmed, "binding"),
        stage("broke out again", funnel.relapsed, "binding"),
    ]
}

/// Stages of the way through; those after them are how it ended elsewhere.
const WAY: usize = 5;

/// The figures of a stage as they stand behind its bar.
fn figures(stage: &Stage) -> String {
    if stage.whole.is_empty() {
        return stage.count.to_string();
    }
    // The per cent is a help to the eye; the two figures are what counts.
    let percent = (u128::from(stage.count) * 100).checked_div(u128::from(stage.of));
    let percent = percent.map_or_else(String::new, |percent| format!(" ({percent}%)"));
    format!("{} of {} {}{percent}", stage.count, stage.of, stage.whole)
}

/// The name of a group and how long agreement took.
fn heading(funnel: &wire::MediationFunnel, is_alone: bool) -> String {
    let group = match funnel.group.as_str() {
        "" if is_alone => "all together",
        "" => "without a name",
        group => group,
    };
    let took = funnel.time_to_agreement.unwrap_or_default();
    let days = |seconds: Option<u64>| {
        seconds.map_or_else(
            || "–".to_owned(),
            |seconds| format!("{}.{}", seconds / 86_400, seconds % 86_400 / 8_640),
        )
    };
    format!(
        "{group}: days to agreement p50 {}, p90 {}, p99 {}, of {} agreements",
        days(took.p50_seconds),
        days(took.p90_seconds),
        days(took.p99_seconds),
        took.count
    )
}

/// The picture as SVG; `asked` says what was asked.
///
/// # Errors
/// What the library cannot draw.
pub(crate) fn svg(
    answer: &wire::GetMediationFunnelResponse,
    asked: &str,
) -> Result<String, NotDrawn> {
    let groups: Vec<_> = answer.groups.iter().take(GROUPS_MAX).collect();
    let is_empty = groups.is_empty();
    let most = groups.iter().map(|group| group.registered).max();
    let most = most.unwrap_or(0).max(1);
    let panels: Vec<_> = groups.iter().map(|group| (*group, stages(group))).collect();
    let heights = panels.iter().map(|(_, stages)| ROW * count(stages.len()));
    let height: u32 = heights.map(|bars| HEADING + bars + FOOT).sum();
    let mut notes = Vec::new();
    let left_out = answer.groups.len() - groups.len();
    if left_out > 0 {
        notes.push(format!(
            "{left_out} more groups are not drawn: ask for fewer."
        ));
    }
    if panels.len() > 1 {
        notes.push("All groups are drawn to the same scale.".to_owned());
    }
    notes.push(as_of(answer.as_of));
    notes.push(seen(answer.read_point.as_ref()));
    let keys = vec![
        (Key::Solid, "came to the stage".to_owned()),
        (
            Key::Open,
            "of which many: the denominator named behind the bar".to_owned(),
        ),
    ];
    let frame = Frame {
        title: TITLE.to_owned(),
        asked: asked.to_owned(),
        keys: if is_empty { Vec::new() } else { keys },
        body: if is_empty {
            frame::NOTHING
        } else {
            (WIDTHS.iter().sum(), height)
        },
        notes,
    };
    frame.draw(|area| {
        if is_empty {
            return frame::nothing(area);
        }
        let mut top = 0;
        for (group, stages) in &panels {
            let text = heading(group, panels.len() == 1);
            let text = frame::fitted(&text, NORMAL, WIDTHS.iter().sum());
            words(area, &text, NORMAL, (0, px(top + HEADING / 2)), HPos::Left)?;
            let size = (WIDTHS.iter().sum::<u32>(), ROW * count(stages.len()) + FOOT);
            draw_bars(
                &area.clone().shrink((0, px(top + HEADING)), size),
                stages,
                most,
            )?;
            top += HEADING + size.1;
        }
        Ok(())
    })
}

fn draw_bars(area: &Area<'_>, stages: &[Stage], most: u64) -> Drawn {
    let [names, _, behind] = WIDTHS;
    let end = i64::try_from(most).unwrap_or(i64::MAX / 4);
    let mut chart = ChartBuilder::on(area)
        .margin_right(behind)
        .x_label_area_size(FOOT)
        .y_label_area_size(names)
        .build_cartesian_2d(0..end, Places(stages.len()))?;
    // The first stage stands at the top, where an upright axis ends.
    let name = |value: &i32| {
        let stage = place_of(*value).and_then(|place| stages.iter().rev().nth(place));
        stage.map_or_else(String::new, |stage| stage.name.to_owned())
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .max_light_lines(1)
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(210, 210, 210))
        .axis_style(INK)
        .x_labels(8)
        .x_label_formatter(&ToString::to_string)
        .y_label_formatter(&name)
        .label_style(style(NORMAL, HPos::Center))
        .axis_desc_style(style(NORMAL, HPos::Center))
        .x_desc("disputes")
        .y_desc("stage")
        .draw()?;
    for (place, stage) in stages.iter().rev().enumerate() {
        let at = |long: u64| (i64::try_from(long).unwrap_or(end), middle_of(place));
        // A bar is told by its end; its height is the row's.
        for (long, look) in [
            (stage.of, WHITE.filled()),
            (stage.of, INK.stroke_width(1)),
            (stage.count, FILL.filled()),
        ] {
            if long == 0 {
                continue;
            }
            let (from, to) = (chart.backend_coord(&at(0)), chart.backend_coord(&at(long)));
            let bar = [(0, -8), (to.0 - from.0, 8)];
            chart.draw_series([EmptyElement::at(at(0)) + Rectangle::new(bar, look)])?;
        }
        let longest = stage.of.max(stage.count);
        let text = Text::new(figures(stage), (8, 0), style(NORMAL, HPos::Left));
        chart.draw_series([EmptyElement::at(at(longest)) + text])?;
    }
    Ok(())
}

/// The picture for a terminal: a bar for each stage in its denominator.
pub(crate) fn terminal(answer: &wire::GetMediationFunnelResponse) -> String {
    let most = answer.groups.iter().map(|group| group.registered).max();
    let Some(most) = most else {
        return "there is nothing to show\n".to_owned();
    };
    let is_alone = answer.groups.len() == 1;
    let mut lines = Vec::new();
    for group in answer.groups.iter().take(GROUPS_MAX) {
        lines.push(frame::clean(&heading(group, is_alone)));
        for stage in stages(group).iter().take(WAY) {
            let bar = terminal::bar(stage.count, stage.of, most);
            let name = terminal::padded(stage.name, 12);
            lines.push(format!("  {name}{bar}  {}", figures(stage)));
        }
    }
    let left_out = answer.groups.len().saturating_sub(GROUPS_MAX);
    if left_out > 0 {
        lines.push(format!("{left_out} more groups are not drawn"));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pictures::testing::{HARD, point, says, shows, texts};

    const fn rate(numerator: u64, denominator: u64) -> wire::Rate {
        wire::Rate {
            numerator,
            denominator,
        }
    }

    fn funnel(group: &str, registered: u64) -> wire::MediationFunnel {
        wire::MediationFunnel {
            group: group.to_owned(),
            registered,
            accepted: Some(rate(registered / 2, registered)),
            agreed: Some(rate(registered / 4, registered / 2)),
            effective: Some(rate(registered / 8, registered / 4)),
            failed: Some(rate(7, registered / 2)),
            time_to_agreement: Some(wire::TimeToAgreement {
                count: registered / 4,
                p50_seconds: Some(95_040),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn answer(groups: Vec<wire::MediationFunnel>) -> wire::GetMediationFunnelResponse {
        wire::GetMediationFunnelResponse {
            groups,
            as_of: Some(prost_types::Timestamp {
                seconds: 1_722_384_000,
                nanos: 0,
            }),
            read_point: Some(point()),
            ..Default::default()
        }
    }

    #[test]
    fn each_stage_has_numerator_and_denominator() {
        let drawn = texts(&svg(&answer(vec![funnel("", 80)]), "Asked for: <x>.").expect("drawn"));
        shows(
            &drawn,
            &["80", "40 of 80 registered (50%)", "20 of 40 accepted (50%)"],
        );
        shows(
            &drawn,
            &[
                "10 of 20 agreed (50%)",
                "0 of 0 binding",
                "7 of 40 accepted (17%)",
            ],
        );
        for stage in stages(&funnel("", 80)) {
            shows(&drawn, &[stage.name]);
        }
        shows(&drawn, &["stage", "disputes", TITLE, "Asked for: <x>."]);
        says(
            &drawn,
            "all together: days to agreement p50 1.1, p90 –, p99 –, of 20 agreements",
        );
        says(&drawn, "As of 2024-07-31 00:00 UTC.");
    }

    #[test]
    fn groups_are_drawn_under_their_names_to_one_scale() {
        let mut groups: Vec<_> = HARD.iter().map(|name| funnel(name, 1_000_000)).collect();
        groups.push(funnel("", 0));
        groups.extend((0..10).map(|_| funnel("more", 3)));
        let drawn = texts(&svg(&answer(groups), "").expect("drawn"));
        for name in [HARD[0], HARD[1], "without a name"] {
            says(&drawn, &format!("{name}: days to agreement"));
        }
        says(&drawn, "3 more groups are not drawn");
        says(&drawn, "All groups are drawn to the same scale.");
    }

    #[test]
    fn nothing_and_a_single_dispute_are_drawn() {
        let nothing = texts(&svg(&answer(Vec::new()), "").expect("drawn"));
        shows(&nothing, &["There is nothing to show."]);
        let one = texts(&svg(&answer(vec![funnel("", 1)]), "").expect("drawn"));
        shows(&one, &["1", "0 of 1 registered (0%)", "0 of 0 accepted"]);
        assert_eq!(terminal(&answer(Vec::new())), "there is nothing to show\n");
    }

    #[test]
    fn a_terminal_shows_the_way_through_as_bars() {
        let drawn = terminal(&answer(vec![funnel("", 8)]));
        let lines: Vec<_> = drawn.lines().collect();
        assert_eq!(lines.len(), 1 + WAY);
        assert_eq!(lines[1], format!("  registered  {}  8", "█".repeat(32)));
        let accepted = format!("{}{}", "█".repeat(16), "░".repeat(16));
        assert_eq!(
            lines[2],
            format!("  accepted    {accepted}  4 of 8 registered (50%)")
        );
    }
}
