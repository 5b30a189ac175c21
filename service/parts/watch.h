#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/events.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "base/notifier.h"
#include "base/thread.h"
#include "fetcher/report/completeness.h"
#include "fetcher/work/fetcher.h"
#include "service/parts/news.h"
#include "signpost/peer_book.h"
#include "syncgroup/group/groups.h"
#include "syncgroup/sync/syncer.h"
#include "upkeep/scanner.h"

namespace waypost::service {

// Looks on, once a second at most, and tells: the event group.complete, and for people the lines of
// the log about members, peers, groups, pauses and fetching. Decides nothing. One thread, `watch`.
// Lifecycle: construct -> Start -> Shutdown (idempotent, joins). All parts outlive it.
class Watch {
 public:
  struct Parts {
    base::EventLog& events;
    const fetcher::CompletenessReporter& completeness;
    const syncgroup::Groups& groups;
    fetcher::Fetcher& fetcher;
    upkeep::Scanner& scanner;
    syncgroup::Syncer& syncer;
    const signpost::PeerBook& peers;
    const base::Clock& clock;
    base::PeerId self;
    std::function<void()> note_mode;  // looks whether the mode has changed
    // Tries what does not work at present, whatever else is paused: every few seconds.
    std::function<void()> look_at_disk;
  };
  explicit Watch(Parts parts) : parts_(std::move(parts)) {}
  ~Watch() { Shutdown(); }
  void Start();
  void Shutdown();

 private:
  void Loop();
  void Look(base::SteadyTime now, bool changed);
  bool LookAtEvents(base::SteadyTime now);  // were there any?
  void LookAtGroups();
  void LookAtPauses();
  void TellRemoved(const base::Event& event, base::SteadyTime now);
  // `what`: of the member, " has left group ...".
  void TellMember(const base::Event& event, base::SteadyTime now, const std::string& what);
  std::string NameOf(const std::string& peer) const;

  const Parts parts_;
  // ---- of the thread alone ----
  uint64_t events_seen_ = 0;
  base::SteadyTime next_disk_{};
  std::map<base::GroupId, bool> complete_;
  std::map<base::GroupId, std::string> names_;
  bool fetching_paused_ = false, scanning_paused_ = false;
  CalmNews peer_news_{base::Millis(60'000), NewsState::kOnline};
  CalmNews group_news_{base::Millis(60'000), NewsState::kNotComplete};
  FetchSummary fetched_;
  LineBudget member_lines_{30}, peer_lines_{30};

  base::Mutex mutex_;
  base::CondVar wake_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  bool changed_ GUARDED_BY(mutex_) = true;
  std::vector<base::Notifier::Registration> registrations_;
  base::Thread thread_;
};

}  // namespace waypost::service
