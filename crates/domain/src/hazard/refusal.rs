//! Why a command to a hazard is refused.

use crate::refusal::refusals;

refusals! {
    /// Why it is refused.
    HazardAlreadyReported = AlreadyExists, "hazard_id", "A hazard with this id is reported already.";
    HazardAlreadyImported = AlreadyExists, "external_id", "A hazard with this id of this source is imported already.";
    HazardNotFound = NotFound, "hazard_id", "There is no hazard with this id.";
    KindNotAllowed = Invalid, "kind", "A kind is 1 to 100 bytes.";
    PlaceNotOnEarth = Invalid, "place", "Latitude must lie in -90..=90 and longitude in -180..=180 degrees.";
    ReasonNotAllowed = Invalid, "reason", "A reason is 1 to 500 bytes.";
    OwnerNotAllowed = Invalid, "owner", "An owner is 1 to 200 bytes.";
    TextTooLong = Invalid, "description", "A personal field holds at most 4,000 bytes.";
    TimeInTheFuture = Invalid, "occurred_at", "What happened cannot have happened later than now.";
    TimeBeforeReport = Invalid, "done_at", "It cannot be done before it was reported.";
    TimeBeforeClaim = Invalid, "inspected_at", "It cannot be looked at again before it was rectified.";
    BackDatedTooFar = NotAllowed, "occurred_at", "It lies further back than the policy's window; only an approved import batch may carry it.";
    HazardNotReported = WrongState, "hazard_id", "This needs a hazard that is reported and not yet verified.";
    HazardNotVerified = WrongState, "hazard_id", "This needs a hazard that is verified and not yet assigned.";
    HazardNotRectifying = WrongState, "hazard_id", "This needs a hazard that an owner is rectifying.";
    HazardNotRectified = WrongState, "hazard_id", "This needs a hazard that is said to be rectified.";
    HazardNotReinspected = WrongState, "hazard_id", "A hazard is closed out only after a passed re-inspection.";
    HazardNotClosed = WrongState, "hazard_id", "Only a hazard that was closed out can recur.";
    HazardNotOpen = WrongState, "hazard_id", "This needs a hazard that is still open.";
    HazardNotImported = WrongState, "hazard_id", "Only an imported hazard can be closed by its source.";
    BoundaryNotUnclear = WrongState, "hazard_id", "A joint owner is ruled where it was said to be unclear whose the hazard is.";
    BoundaryNotRuled = WrongState, "hazard_id", "It is unclear whose the hazard is; a council rules on that.";
    OwnersRuled = WrongState, "hazard_id", "A council ruled who answers for it; only a council changes that.";
    CandidatesNotAllowed = Invalid, "candidates", "1 to 10 units or departments, each 1 to 200 bytes and once.";
    JointOwnersNotAllowed = Invalid, "joint", "1 to 10 units or departments beside the lead, each 1 to 200 bytes and once.";
    CouncilMeetingNotAllowed = Invalid, "council_meeting", "A council meeting is named by 1 to 100 bytes.";
    RulerNotAllowed = NotAllowed, "", "The ruling of a council is entered by an administrator, or by the captain or instructor of the unit.";
    HazardNotReferable = WrongState, "hazard_id", "A hazard is referred once it is verified and before it is said to be rectified.";
    HazardNotReferred = WrongState, "hazard_id", "This needs a hazard that another authority has.";
    AuthorityNotAllowed = Invalid, "authority", "An authority is 1 to 200 bytes.";
    ReferralIdNotAllowed = Invalid, "external_id", "An id at another authority is 1 to 200 bytes.";
    PlanNotAllowed = Invalid, "plan", "A plan is 1 to 4,000 bytes and not blank.";
    PlanNotInTime = Invalid, "finish_by", "A plan ends later than now and not after the deadline; more time needs an extension.";
    UpperUnitNotAbove = Invalid, "upper_unit_id", "A major hazard is reported to a unit above the one it lies in.";
    TooManyDuplicates = WrongState, "master_id", "A hazard has at most 100 duplicates, and 500 reporters of them.";
    HazardNotMajor = WrongState, "hazard_id", "Only a major hazard is reported upward.";
    InterimMeasureMissing = WrongState, "hazard_id", "A major hazard must carry an interim measure before it is said to be rectified.";
    NotReportedUp = WrongState, "hazard_id", "A major hazard must be reported upward before it is said to be rectified.";
    VerifierIsReporter = NotAllowed, "hazard_id", "A hazard is verified by another person than its reporter.";
    ReinspectorIsReporter = NotAllowed, "hazard_id", "The re-inspector must not be the reporter.";
    ReinspectorIsRectifier = NotAllowed, "hazard_id", "The re-inspector must not be the person who rectified it.";
    MasterNotFound = NotFound, "master_id", "There is no hazard with this id to be the master.";
    MasterIsItself = Invalid, "master_id", "A hazard is no duplicate of itself.";
    MasterIsDuplicate = WrongState, "master_id", "The master must not be a duplicate itself.";
    ExtensionNotLater = Invalid, "until", "An extension must end later than the deadline and than now.";
    NoDeadline = WrongState, "hazard_id", "This hazard has no deadline.";
    DeadlineNotDue = WrongState, "due_at", "This deadline has not passed.";
    DeadlineReplaced = WrongState, "due_at", "This is not the hazard's deadline any more.";
    BreachAlreadyRecorded = AlreadyExists, "due_at", "The breach of this deadline is recorded already.";
    ReportedUpAlready = WrongState, "due_at", "It is reported upward already.";
    LookedAtAgain = WrongState, "due_at", "Nobody waits for a look at it any more.";
    DeadlineMet = WrongState, "due_at", "It was rectified in time, as the re-inspection found.";
    RectificationAwaitsReinspection = WrongState, "due_at", "It is said to be rectified in time; the re-inspection decides.";
    ImportStillOpen = WrongState, "hazard_id", "Timers hold still until the import batch is applied or rejected.";
    ClosedBeforeOpened = Invalid, "closed_at", "It cannot be closed before it was opened.";
    StatusNotAllowed = Invalid, "status", "A source's status is 1 to 100 bytes.";
    ExternalIdNotAllowed = Invalid, "external_id", "A source is 1 to 100 of a-z, 0-9 and '-', and an id in it 1 to 200 bytes.";
    DueBeforeOpened = Invalid, "due_at", "It cannot be due before it was opened.";
}
