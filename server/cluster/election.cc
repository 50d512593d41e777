#include "server/cluster/election.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace mind::server {
namespace {

// A leader has to be heard several times a lease, so that one late answer does not look like its death.
constexpr int kBeatsALease = 5;

}  // namespace

Election::Election(Options options)
    : options_(std::move(options)), interval_(std::min(options_.interval, options_.lease / kBeatsALease)) {}

void Election::Answered(absl::Duration now) {
  asked_ = Question::kNone;
  next_ = now + interval_;
}

ElectionActions Election::Ask(Question question, ElectionAction action) {
  asked_ = question;
  return {std::move(action)};
}

ElectionActions Election::OnTick(absl::Duration now) {
  ElectionActions actions;
  if (leads_ && now - heard_ >= options_.patience) {
    actions = Stop(absl::StrCat("no answer from the database for ", absl::FormatDuration(options_.patience)));
  } else if (leads_ && !frozen_ && now - heard_ >= options_.lease) {
    frozen_ = true;
    actions.push_back(Freeze{});
  }
  if (asked_ != Question::kNone || now < next_) return actions;
  if (leads_) {
    asked_ = Question::kRenew;
    actions.push_back(RenewTerm{*leads_});
  } else {
    asked_ = Question::kRow;
    actions.push_back(ReadRow{});
  }
  return actions;
}

ElectionActions Election::OnRow(const TermRow& row, absl::Duration now) {
  Answered(now);
  highest_ = std::max(highest_, row.term);
  if (leads_) return {};
  if (seen_ != row) {
    seen_ = row;
    unchanged_since_ = now;
  }
  // A row of our own is what an unanswered try has left, or a term that we gave up without being heard.
  const bool free = row.holder.empty() || row.holder == options_.holder;
  ElectionActions actions = Point(row.term, free ? std::string() : row.address);
  if (retired_ || (!free && now - unchanged_since_ < options_.lease)) return actions;
  asked_ = Question::kTake;
  actions.push_back(TakeTerm{row});
  return actions;
}

ElectionActions Election::OnTaken(std::optional<uint64_t> term, absl::Duration now) {
  Answered(now);
  seen_.reset();
  if (!term) {
    next_ = now;  // somebody leads now: who?
    return {};
  }
  if (retired_) return {GiveUpTerm{*term}};
  if (*term <= highest_) {
    // The database has lost its last commits, and gives out numbers again that have been used: not those.
    return Ask(Question::kTake, TakeTerm{{*term, options_.holder, options_.address, 0}});
  }
  highest_ = *term;
  leads_ = term;
  heard_ = now;
  following_ = {*term, options_.address};
  return {LeadTerm{*term}};
}

ElectionActions Election::OnRenewed(bool still_ours, absl::Duration now) {
  Answered(now);
  if (!leads_) return {};
  if (!still_ours) {
    next_ = now;
    return Stop("another front has taken over");
  }
  heard_ = now;
  if (!std::exchange(frozen_, false)) return {};
  return {Thaw{}};
}

ElectionActions Election::OnNoAnswer(absl::Duration now) {
  Answered(now);
  // What has not been seen cannot be counted: once the database is there again, the leader has a whole lease
  // to be heard.
  seen_.reset();
  if (!leads_ || std::exchange(frozen_, true)) return {};
  return {Freeze{}};
}

ElectionActions Election::OnHigherTerm(uint64_t term, const std::string& address, absl::Duration now) {
  if (leads_ && *leads_ >= term) return {};
  next_ = std::min(next_, now);
  ElectionActions actions;
  if (leads_) actions = Stop(absl::StrCat("term ", term, " has begun"));
  // It may be all that this front gets to know, if it cannot read the row.
  if (!address.empty() && term > following_.first) {
    for (ElectionAction& point : Point(term, address)) actions.push_back(std::move(point));
  }
  return actions;
}

ElectionActions Election::Point(uint64_t term, const std::string& address) {
  const std::pair<uint64_t, std::string> before = std::exchange(following_, {term, address});
  if (following_ == before || (address.empty() && before.second.empty())) return {};
  return {Follow{term, address}};
}

ElectionActions Election::OnLost(uint64_t term, std::string why) {
  if (leads_ != term) return {};
  ElectionActions actions = Stop(std::move(why));
  // Where it is this front that cannot, another may.
  actions.push_back(GiveUpTerm{term});
  return actions;
}

ElectionActions Election::Retire() {
  retired_ = true;
  if (!leads_) return {};
  const uint64_t term = *leads_;
  ElectionActions actions = Stop("this front is going down");
  actions.push_back(GiveUpTerm{term});
  return actions;
}

ElectionActions Election::Stop(std::string why) {
  const uint64_t term = *leads_;
  leads_.reset();
  frozen_ = false;
  seen_.reset();
  following_ = {};
  return {StepDown{term, std::move(why)}};
}

}  // namespace mind::server
