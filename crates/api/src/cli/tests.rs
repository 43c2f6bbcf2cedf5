use clap::CommandFactory as _;

use super::*;

#[test]
fn the_definition_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_and_flag_says_what_it_is_for() {
    fn check(command: &clap::Command) {
        assert!(
            command.get_about().is_some(),
            "{} has no help",
            command.get_name()
        );
        for argument in command.get_arguments() {
            assert!(
                argument.get_help().is_some(),
                "{} {}",
                command.get_name(),
                argument.get_id()
            );
        }
        command.get_subcommands().for_each(check);
    }
    check(&Cli::command());
}

#[test]
fn failures_have_their_exit_codes() {
    let codes = [
        Failure::Wrong(String::new()).code(),
        Failure::Usage(String::new()).code(),
        Failure::from(io::Error::other("x")).code(),
    ];
    assert_eq!(codes, [1, 2, 3]);
}
