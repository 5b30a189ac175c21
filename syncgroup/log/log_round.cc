#include "syncgroup/log/log_round.h"

#include <algorithm>
#include <utility>

#include "syncgroup/log/log_exchange.h"

// A head is asked for after the longest end of its numbering that is here. If the other side says
// that the two part there, or what it sends is here already, the branch point is searched, and the
// way asked for from that; if then nothing of it can be taken, it is given up for this round.

namespace waypost::syncgroup {

std::optional<LogAsk> LogRound::Next(const LogReader& log) {
  LogAsk ask{.group = log.group(), .digest = DigestOf(log.ToldHeads())};
  wanted_.clear();
  probed_.clear();
  std::erase_if(heads_, [&](const LogHead& head) { return log.Find(head).has_value(); });
  std::erase_if(searches_, [&](const auto& item) { return !heads_.contains(item.first); });
  AskFor(log, ask);
  for (const base::EntryHash& act : acts_) {
    if (ask.acts.size() < kLogActsMax && !asked_acts_.contains(act)) ask.acts.push_back(act);
  }
  asked_acts_.insert(ask.acts.begin(), ask.acts.end());
  if (!ask.wants.empty() || !ask.probes.empty() || !ask.acts.empty()) return ask;
  if (page_) cursor_ = *std::exchange(page_, std::nullopt);
  if (!more_heads_ && !all_ && given_up_.empty() && theirs_ != ask.digest) {
    // All that was told is here, and yet the two keep different things: what counts has changed.
    all_ = more_heads_ = true;
    cursor_ = {};
  }
  if (!more_heads_) return std::nullopt;
  ask.heads_since = cursor_;
  return ask;
}

void LogRound::AskFor(const LogReader& log, LogAsk& ask) {
  const std::vector<LogHead> heads(heads_.begin(), heads_.end());
  Lacks lacks = LacksOf(log, heads);
  for (BranchSearch& search : lacks.searches) searches_.try_emplace(search.head(), search);
  for (const LogWant& want : lacks.wants) {
    if (ask.wants.size() == kLogWantsMax) break;
    if (searches_.contains(want.head)) continue;
    ask.wants.push_back(want);
    wanted_.insert(want.head);
  }
  for (const auto& [head, search] : searches_) {
    if (!heads_.contains(head)) continue;
    if (search.done()) {
      if (ask.wants.size() == kLogWantsMax) continue;
      ask.wants.push_back(WantAfter(search));
      wanted_.insert(head);
    } else if (ask.probes.size() < kLogProbesMax) {
      ask.probes.push_back({head, search.Next()});
      probed_.push_back(head);
    }
  }
}

void LogRound::Need(const EntryNeeds& needs) {
  for (const LogHead& head : needs.heads) {
    if (!needed_.insert(head).second) continue;
    heads_.insert(head);
    given_up_.erase(head);
    needs_more_ = true;
  }
  for (const ActId& act : needs.acts) needs_more_ |= acts_.insert(act.entry).second;
}

std::set<base::EntryHash> LogRound::Needed(const std::vector<OpenedEntry>& entries,
                                           bool more) const {
  std::set<base::EntryHash> needed =
      OnTheWayTo(entries, std::vector<LogHead>(needed_.begin(), needed_.end()));
  if (!more) return needed;
  // Of a way that is longer than an answer it is not seen yet where it leads.
  std::set<base::EntryHash> numberings;
  for (const LogHead& head : needed_) numberings.insert(head.numbering);
  for (const OpenedEntry& entry : entries) {
    if (numberings.contains(entry.numbering())) needed.insert(entry.hash);
  }
  return needed;
}

void LogRound::GiveUp(const LogHead& head) {
  heads_.erase(head);
  searches_.erase(head);
  given_up_.insert(head);
}

void LogRound::Learn(const LogReader& log, const LogAnswer& answer, std::size_t taken) {
  theirs_ = answer.digest;
  for (const LogHead& head : answer.gone) {
    heads_.erase(head);
    searches_.erase(head);
  }
  LearnProbes(log, answer);
  for (const LogHead& head : answer.acts) {
    if (!acts_.contains(head.hash) || log.Find(head)) continue;
    needed_.insert(head);
    heads_.insert(head);
    given_up_.erase(head);
  }
  // What it lacks comes first.
  const bool waits = std::exchange(needs_more_, false);
  for (const LogHead& head : wanted_) {
    if (!heads_.contains(head) || log.Find(head)) continue;
    const auto search = searches_.find(head);
    const bool parted =
        std::find(answer.parted.begin(), answer.parted.end(), head) != answer.parted.end();
    if (search == searches_.end()) {
      if (parted || (taken == 0 && !waits)) searches_.emplace(head, SearchFor(log, head));
    } else if ((taken > 0 || waits) && !parted) {
      // Of the way from the branch point on a part is here now.
      search->second = BranchSearch(head, search->second.shared());
    } else {
      // All behind a branch point is new. It cannot be taken; or the other's log has changed.
      GiveUp(head);
    }
  }
  if (answer.cursor) TakePage(log, answer);
}

void LogRound::LearnProbes(const LogReader& log, const LogAnswer& answer) {
  for (std::size_t i = 0; i < probed_.size(); ++i) {
    const auto search = searches_.find(probed_[i]);
    if (search == searches_.end()) continue;
    // Those for which the answer had no room are asked again; the first always has it.
    if (i >= answer.probed.size() && i > 0) continue;
    const bool learned = i < answer.probed.size() &&
                         search->second.Learn(answer.probed[i], [&](const LogHead& head) {
                           return log.Find(head).has_value();
                         });
    if (!learned) GiveUp(probed_[i]);
  }
}

// A page of heads has come.
void LogRound::TakePage(const LogReader& log, const LogAnswer& answer) {
  page_ = answer.cursor;
  more_heads_ = answer.more_heads;
  all_ |= answer.from_beginning;
  for (const LogHead& head : answer.heads) {
    if (!given_up_.contains(head) && !log.Find(head)) heads_.insert(head);
  }
}

}  // namespace waypost::syncgroup
