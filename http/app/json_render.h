#pragma once

#include <optional>
#include <string>

#include "base/events.h"
#include "fetcher/policy/pause.h"
#include "fetcher/report/completeness.h"
#include "fetcher/report/report.h"
#include "fetcher/work/fetch_state.h"
#include "http/message/json.h"
#include "http/message/message.h"
#include "signpost/peer_book.h"
#include "signpost/signpost.h"
#include "syncgroup/protocol/types.h"
#include "syncgroup/sync/syncer.h"
#include "upkeep/scanner.h"

// How each object of the app API looks in JSON: one place each. Pure.
namespace waypost::http {

// RFC 3339, or null for never.
Json TimeJson(base::WallTime time);

Json GroupJson(const syncgroup::GroupInfo& group);
// `entry`: what is known of the peer, if anything; `status`: of the rounds with it.
Json MemberJson(const syncgroup::Member& member, uint64_t bytes_fetched_for, bool self,
                const signpost::PeerBook::KnownPeer* entry,
                const syncgroup::Syncer::MemberStatus* status, base::WallTime now);
Json RefJson(const syncgroup::Ref& ref);
Json LastErrorJson(const signpost::LastError& error);  // null for none
// `name_of` gives a peer's name, empty when unknown.
using NameOf = std::function<std::string(const base::PeerId&)>;
Json SignpostJson(const base::BlobId& blob, const signpost::Signpost& signpost,
                  const NameOf& name_of);
Json WantedJson(const fetcher::WantedItem& item, const NameOf& name_of);
// One line of a status stream.
Json FetchStateJson(const fetcher::FetchState& state);
Json WhyStepJson(const fetcher::WhyStep& step);
Json ScanJson(const upkeep::ScanStatus& status);
Json PeerJson(const signpost::PeerBook::KnownPeer& entry, base::WallTime now);
Json CompletenessJson(const fetcher::Completeness& report, base::WallTime now);
Json HeldJson(const syncgroup::Syncer::HeldReport& report, uint32_t servers);
Json EventJson(const base::Event& event, const std::string& boot_id);
Json PauseJson(const fetcher::PauseState& pause);  // null when it runs

// A peer that answered or asked within two minutes (twice the longest pause between rounds, and
// some) and is not cooling down.
bool PeerOnline(const signpost::PeerBook::KnownPeer& entry, base::WallTime now);

// An answer with a JSON body.
Response JsonResponse(const Json& json, int status = 200);

}  // namespace waypost::http
