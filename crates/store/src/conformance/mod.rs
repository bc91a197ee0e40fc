//! The suite that every backend passes unchanged: one function for each promise of [`Store`](crate::Store) and
//! [`Batch`](crate::Batch), run as one test each by [`conformance!`](crate::conformance!).
//!
//! Nothing here steers a clock, because a backend may go by its database's own; what expires is written with times
//! before or after the present.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a suite of tests, which fail by panicking"
)]

pub mod approvals;
pub mod batches;
pub mod counted;
pub mod filters;
pub mod inbox;
pub mod nodes;
pub mod outbox;
pub mod postgres;
pub mod records;
pub mod refusals;
pub mod scribe;
pub mod side;
pub mod verification;
pub mod walls;
pub mod world;

use async_trait::async_trait;
use signoff_core::id::WorkspaceId;

use crate::Store;

/// A fresh, empty store under test, and a way to it that goes past the store.
#[async_trait]
pub trait Subject: Send + Sync {
    /// The store.
    fn store(&self) -> &dyn Store;

    /// Sets a column in every row that a table has of a workspace, behind the store's back, as somebody with access to
    /// the database could. Answers how many rows that were.
    async fn tamper(
        &self,
        workspace: WorkspaceId,
        table: &'static str,
        column: &'static str,
        value: Tampered,
    ) -> u64;

    /// Raises the installation's feature level, as a newer node would.
    async fn raise_feature_level(&self, level: u32);
}

/// What [`Subject::tamper`] writes.
#[derive(Debug, Clone)]
pub enum Tampered {
    /// Into a column of text.
    Text(String),
    /// Into a column of bytes.
    Bytes(Vec<u8>),
    /// Into a column of numbers.
    Integer(i64),
}

/// Makes a test of every promise. The argument is the full path (`crate::…`) of an `async fn() -> impl Subject`; each
/// test calls it for a store of its own.
#[macro_export]
macro_rules! conformance {
    ($open:path) => {
        $crate::conformance! { @tests $open,
            batches: [
                every_kind_of_row_comes_back,
                a_row_written_again_takes_the_place_of_the_first,
                a_batch_that_is_dropped_leaves_nothing,
                a_batch_waits_for_the_one_before,
                a_batch_takes_its_time_once,
                statements_do_not_grow_with_the_commands,
                an_idempotency_row_is_found_until_it_expires,
                an_idempotency_row_belongs_to_one_principal_and_operation,
                a_submission_is_found_by_its_action,
                the_head_carries_its_epochs,
                removed_rows_are_gone,
                a_row_is_removed_with_the_record_that_says_so,
            ],
            counted: [
                figures_are_those_of_the_window_the_agent_and_the_policy,
                figures_of_the_largest_amounts_are_exact,
                a_batch_reads_the_same_figures,
                what_ends_without_having_run_is_counted_no_more,
            ],
            refusals: [
                changes_without_a_workspace_are_refused,
                rows_without_a_record_are_refused,
                records_that_do_not_lead_to_the_head_are_refused,
                a_payload_without_its_record_is_refused,
                side_rows_of_another_workspace_are_refused,
                the_null_character_is_refused,
            ],
            records: [
                records_come_back_byte_for_byte,
                pages_are_stable_while_records_arrive,
                every_filter_in_both_directions,
                in_globs_only_star_and_question_mark_are_special,
                records_are_found_by_their_sequence,
                a_request_is_found_by_its_first_record,
                payloads_come_back,
                an_erased_payload_is_gone_and_its_record_stays,
                many_payloads_are_read_at_once,
            ],
            approvals: [
                one_is_found_by_its_id,
                a_request_is_read_whole,
                every_filter_in_both_directions,
                pages_are_stable_while_requests_arrive,
                what_is_open_is_counted,
                facts_are_those_since_and_all_that_are_open,
                what_is_due_comes_soonest_first,
                what_ended_is_never_due,
                what_is_on_its_way_is_found_by_its_state,
            ],
            verification: [
                what_is_folded_comes_back_without_faults,
                a_changed_column_is_told,
                a_changed_row_shows,
                an_unreadable_row_is_told_and_hides_no_other,
                a_changed_index_of_a_record_is_told,
                an_unreadable_record_is_told,
                a_changed_secret_shows,
                a_changed_head_shows,
            ],
            side: [
                a_session_lives_until_it_expires,
                sessions_end_one_by_one_and_all_of_an_operator,
                a_sweep_takes_what_expired_and_nothing_else,
                the_workspace_key_comes_back,
                all_workspace_keys_are_wrapped_anew_or_none,
                a_secret_written_again_takes_the_place_of_the_first,
                a_person_is_found_by_address_without_case,
                an_address_that_is_taken_takes_nobody_away,
                the_authority_is_all_that_snapshots_need,
                a_store_that_works_says_so,
            ],
            outbox: [
                what_is_in_the_outbox_is_told_once,
                a_channel_is_told_the_kinds_it_named,
                the_oldest_go_first,
                fanning_out_at_once_tells_nothing_twice,
                what_nobody_wants_is_dropped,
                due_deliveries_come_soonest_first,
                messages_about_one_request_keep_their_order,
                what_waits_for_one_addressee_is_gathered,
                an_attempt_is_kept,
                deliveries_of_a_channel_come_newest_first,
                who_was_told_is_found_by_record,
                nothing_is_told_to_channels_of_another_epoch,
            ],
            inbox: [
                what_came_is_kept_once,
                of_copies_at_once_one_is_new,
                what_came_belongs_to_one_workspace,
                what_came_is_forgotten_by_its_time,
                a_code_is_good_once,
            ],
            nodes: [
                a_lease_has_one_holder_and_fences_rise,
                a_lease_ends_by_its_time,
                claims_that_race_have_one_winner,
                an_attempt_needs_the_lease_in_force,
                heads_are_those_of_all_workspaces,
                touched_approvals_are_those_that_something_happened_to,
                a_log_written_elsewhere_is_displaced,
                a_newer_feature_level_is_refused,
                the_installation_is_locked_for_one_at_a_time,
                a_checkpoint_comes_back,
                a_prefix_is_dropped_in_pieces,
            ],
            walls: [
                folded_rows_stay_inside,
                the_log_stays_inside,
                batches_read_inside,
                side_rows_stay_inside,
                deliveries_stay_inside,
                writing_changes_nothing_outside,
            ],
        }
    };
    (@tests $open:path, $($module:ident: [$($case:ident),+ $(,)?]),+ $(,)?) => {
        $(
            mod $module {
                $(
                    #[tokio::test]
                    async fn $case() {
                        let subject = $open().await;
                        $crate::conformance::$module::$case(&subject).await;
                    }
                )+
            }
        )+
    };
}
