//! What every store promises, whatever it keeps its data in.
//!
//! `contract!(EXPRESSION)` in a module of its own makes one test of each case. The expression gives
//! a [`Place`]: somewhere new to keep data, which can be opened more than once.

pub(crate) mod changes;
pub(crate) mod identities;
pub(crate) mod messages;
pub(crate) mod sessions;
pub(crate) mod templates;

use std::sync::Arc;

use nexus_core::Identity;
use nexus_store::Store;

use crate::samples::{at, key};

/// Somewhere to keep data, empty at first, gone when dropped.
pub(crate) trait Place {
    /// Opens the same data, as another process would.
    async fn open(&self) -> Arc<dyn Store>;
}

/// A registered identity.
async fn member(store: &Arc<dyn Store>, number: u64) -> Identity {
    store
        .create_identity(key(number), at(0))
        .await
        .unwrap()
        .identity
}

macro_rules! contract {
    ($place:expr) => {
        $crate::contract::contract! { @ $place;
            changes: own_changes_are_known_when_the_write_returns;
            changes: a_change_leaves_everybody_else_fresh;
            changes: messages_are_no_change;
            changes: another_process_is_noticed_within_a_second;
            changes: what_another_process_wrote_is_read_at_once;
            changes: a_store_says_what_it_is;
            identities: an_unknown_key_is_no_identity;
            identities: a_key_is_registered_once;
            identities: of_fifty_registrations_at_once_one_is_new;
            identities: identities_come_in_pages_in_the_order_of_their_keys;
            identities: one_field_is_written_and_nothing_else;
            identities: an_empty_prompt_is_kept;
            identities: every_prompt_name_can_be_written;
            identities: a_decision_on_an_older_version_is_refused;
            identities: a_write_to_an_erased_identity_is_refused;
            identities: a_former_life_of_a_key_does_not_write_into_the_new_one;
            identities: a_hundred_writers_at_once_lose_nothing;
            identities: erasing_takes_everything_of_one_and_nothing_of_another;
            identities: erasing_an_unknown_key_removes_nothing;
            messages: a_message_is_read_as_it_was_stored;
            messages: history_is_the_newest_of_people_and_models_in_order;
            messages: history_leaves_out_the_run_that_asks;
            messages: pages_of_any_size_give_every_message_once;
            messages: a_page_stays_the_same_while_messages_arrive;
            messages: nobody_sees_the_messages_of_another;
            messages: a_message_of_an_erased_identity_is_refused;
            messages: an_id_is_stored_once;
            messages: a_message_of_somebody_else_is_refused;
            messages: messages_that_arrive_at_once_are_all_stored;
            sessions: a_session_is_found_by_its_digest;
            sessions: a_session_is_kept_for_a_key_that_is_not_registered;
            sessions: a_digest_is_stored_once;
            sessions: how_far_a_token_reaches_is_kept;
            templates: there_is_no_template_at_first;
            templates: versions_count_from_one_and_the_newest_is_current;
            templates: environments_do_not_touch_each_other;
            templates: a_template_that_was_changed_meanwhile_is_not_overwritten;
            templates: of_many_writers_at_once_one_wins;
            templates: a_document_is_kept_key_for_key;
            templates: every_version_can_be_read_again;
            templates: versions_are_listed_in_pages_newest_first;
        }
    };
    (@ $place:expr; $($module:ident: $case:ident;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                let place = $place;
                $crate::contract::$module::$case(&place).await;
            }
        )*
    };
}
pub(crate) use contract;
