//! Why a command about a lead is refused. No refusal says who tipped, and none but `LEAD_NOT_FOUND`
//! reaches whoever may not know the lead; but a new lead is never submitted under an id in use.

use crate::refusal::refusals;

refusals! {
    /// Why it is refused.
    LeadAlreadySubmitted = AlreadyExists, "lead_id", "A lead with this id is submitted already.";
    LeadNotFound = NotFound, "lead_id", "There is no lead with this id that you may know.";
    TextNotAllowed = Invalid, "text", "A personal text is 1 to 4,000 bytes and not blank.";
    EntryNotAllowed = NotAllowed, "source_id", "Only officers of the community enter what somebody else told.";
    SourceNotFound = NotFound, "source_id", "There is no person with this id to be the source.";
    LeadsThrottled = NotAllowed, "", "Too many of your leads were found invalid; you can submit again later.";
    TooManyOpenLeads = NotAllowed, "", "At most 20 of your leads are looked into at a time; you can submit again when one is decided.";
    ReviewerIsSource = NotAllowed, "lead_id", "Nobody reviews a lead of their own.";
    ReviewerEnteredIt = NotAllowed, "lead_id", "Whoever entered a lead for somebody else does not review it.";
    LeadIsYours = WrongState, "lead_id", "You review this lead already.";
    LeadNotOpen = WrongState, "lead_id", "This needs a lead that is not yet closed.";
    LeadNotTriaged = WrongState, "lead_id", "An officer must take the lead under review first.";
    LeadReviewedByAnother = NotAllowed, "lead_id", "Another officer reviews this lead; take it over first.";
    LeadNotUnderReview = WrongState, "lead_id", "This needs a lead that is under review.";
    LeadNotDecided = WrongState, "lead_id", "This needs a lead that is under review, or that the police took over.";
    LeadNotUseful = WrongState, "lead_id", "Only a lead that is valid or was transferred has an outcome.";
    LeadNotClosed = WrongState, "lead_id", "Only a closed lead is archived.";
    LeadAlreadyArchived = WrongState, "lead_id", "This lead is archived already.";
    ArchivedTooEarly = WrongState, "lead_id", "The policy keeps a closed lead open for longer.";
    TooManyAccesses = WrongState, "lead_id", "The body of a lead is read at most 1,000 times by one reviewer.";
    TooManyTriages = WrongState, "lead_id", "A lead is taken over at most 100 times while its reviewer serves.";
}
