//! What every store promises, whatever it keeps its data in.
//!
//! `contract!(EXPRESSION)` in a module of its own makes one test of each case. The expression gives
//! a [`Place`]: somewhere new to keep data, which can be opened more than once.

pub(crate) mod api_keys;
pub(crate) mod audit;
pub(crate) mod changes;
pub(crate) mod counters;
pub(crate) mod erasure;
pub(crate) mod identities;
pub(crate) mod messages;
pub(crate) mod nonces;
pub(crate) mod quarantine;
pub(crate) mod sessions;
pub(crate) mod standings;
pub(crate) mod templates;
pub(crate) mod usage;

use std::collections::BTreeMap;
use std::sync::Arc;

use nexus_core::{Identity, Standing};
use nexus_store::{Collection, Store};

use crate::samples::{at, key};

/// Somewhere to keep data, empty at first, gone when dropped.
pub(crate) trait Place {
    /// Opens the same data, as another process would.
    async fn open(&self) -> Arc<dyn Store>;

    /// Makes a document unreadable, in one of three ways, as a person with a shell would. Its name:
    /// a key, an id, a digest in hexadecimal digits, an owner and a day, a number.
    async fn spoil(&self, collection: Collection, name: &str, way: u8);

    /// All bytes of every stored value, by the name of its collection or table.
    async fn dump(&self) -> BTreeMap<String, Vec<u8>>;
}

/// The collections whose values contain this text.
pub(crate) async fn holding(place: &impl Place, text: &str) -> Vec<String> {
    let dump = place.dump().await.into_iter();
    let holds = |bytes: &[u8]| {
        let mut windows = bytes.windows(text.len());
        windows.any(|window| window == text.as_bytes())
    };
    dump.filter(|(_, bytes)| holds(bytes))
        .map(|(name, _)| name)
        .collect()
}

/// A registered identity.
async fn member(store: &Arc<dyn Store>, number: u64) -> Identity {
    store
        .create_identity(key(number), Standing::Active, at(0))
        .await
        .unwrap()
        .identity
}

macro_rules! contract {
    ($place:expr) => {
        $crate::contract::contract! { @ $place;
            api_keys: a_key_is_read_as_it_was_stored;
            api_keys: an_id_is_stored_once_and_for_a_registered_owner_only;
            api_keys: the_keys_of_one_owner_are_listed_newest_first;
            api_keys: a_key_is_taken_back_once_and_by_its_owner_only;
            api_keys: of_keys_that_have_ended_the_newest_are_kept;
            api_keys: the_last_use_of_a_key_never_goes_back;
            api_keys: of_a_hundred_keys_that_are_made_at_once_fifty_are_stored;
            audit: entries_are_read_in_pages_as_they_were_recorded;
            audit: of_fifty_who_record_at_once_each_has_its_place;
            audit: an_empty_audit_has_no_head;
            audit: what_is_on_record_about_one_person_is_theirs_alone;
            changes: own_changes_are_known_when_the_write_returns;
            changes: a_reading_that_began_before_an_own_change_is_not_kept;
            changes: a_change_evicts_its_own_subject_and_no_other;
            changes: messages_are_no_change;
            changes: that_something_was_used_is_no_change;
            changes: another_process_is_noticed_within_a_second;
            changes: what_another_process_wrote_is_read_at_once;
            changes: a_store_says_what_it_is;
            counters: parallel_adds_are_exact_and_each_sees_another_total;
            counters: runs_are_told_to_other_nodes_and_forgotten_when_a_node_is_silent;
            counters: a_total_stays_at_the_largest_number;
            erasure: nothing_of_an_erased_identity_is_left_but_the_audit;
            erasure: whoever_is_disabled_may_leave_and_does_not_come_back;
            erasure: what_comes_late_for_an_erased_identity_is_refused;
            erasure: no_stored_value_contains_a_token;
            identities: an_unknown_key_is_no_identity;
            identities: a_key_is_registered_once;
            identities: of_fifty_registrations_at_once_one_is_new;
            identities: identities_come_in_pages_in_the_order_of_their_keys;
            identities: one_field_is_written_and_nothing_else;
            identities: an_empty_prompt_is_kept;
            identities: every_prompt_name_can_be_written;
            identities: the_time_zone_of_a_person_is_written_and_nothing_else;
            identities: a_decision_on_an_older_version_is_refused;
            identities: a_write_to_an_erased_identity_is_refused;
            identities: a_former_life_of_a_key_does_not_write_into_the_new_one;
            identities: a_hundred_writers_at_once_lose_nothing;
            identities: erasing_takes_everything_of_one_and_nothing_of_another;
            identities: erasing_an_unknown_key_removes_nothing;
            messages: a_message_is_read_as_it_was_stored;
            messages: history_is_the_newest_of_people_and_models_in_order;
            messages: history_leaves_out_the_run_that_asks;
            messages: a_message_is_stored_and_what_came_before_it_recalled_in_one_go;
            messages: pages_of_any_size_give_every_message_once;
            messages: a_page_stays_the_same_while_messages_arrive;
            messages: nobody_sees_the_messages_of_another;
            messages: a_message_of_an_erased_identity_is_refused;
            messages: an_id_is_stored_once;
            messages: the_metadata_of_a_message_is_replaced_and_nothing_else;
            messages: a_message_of_somebody_else_is_refused;
            messages: messages_that_arrive_at_once_are_all_stored;
            messages: the_messages_of_one_run_and_their_places_are_found_among_all;
            nonces: of_a_hundred_uses_at_once_one_is_the_first;
            nonces: a_used_nonce_is_used_for_another_process_too;
            quarantine: an_unreadable_identity_hides_only_itself;
            quarantine: an_unreadable_message_hides_only_itself;
            quarantine: an_unreadable_credential_hides_only_itself;
            quarantine: an_unreadable_count_hides_only_itself;
            quarantine: an_unreadable_entry_of_the_audit_hides_only_itself;
            quarantine: an_unreadable_template_is_followed_by_another;
            sessions: a_session_is_found_by_its_digest;
            sessions: all_of_a_session_is_kept;
            sessions: the_sessions_of_one_owner_are_listed_newest_first;
            sessions: one_session_is_revoked_and_only_by_its_owner;
            sessions: all_sessions_but_one_are_revoked;
            sessions: the_last_use_of_a_session_never_goes_back;
            standings: a_key_is_registered_with_a_standing_and_keeps_it;
            standings: a_standing_is_written_and_nothing_else;
            standings: a_standing_decided_on_an_older_version_is_refused;
            standings: identities_are_listed_and_counted_by_standing;
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
            usage: what_was_used_adds_up_by_day_and_model;
            usage: parallel_adds_are_exact;
            usage: what_is_added_again_counts_once;
            usage: nothing_is_counted_for_who_is_not_registered;
            usage: nothing_of_a_former_life_is_counted_for_the_new_one;
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
