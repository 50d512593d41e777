#include "server/cluster/campaign.h"

#include <utility>

#include "proto/support/logging.h"

namespace mind::server {
namespace {

constexpr absl::Duration kSayAgain = absl::Seconds(5);

}  // namespace

Campaign::Campaign(const Options& options, TermStore& terms, Candidate& candidate)
    : options_(options),
      terms_(terms),
      candidate_(candidate),
      election_(options.election),
      gate_(options.post) {
  gate_.Open();
}

void Campaign::CarryOut(const ElectionActions& actions) {
  for (const ElectionAction& action : actions) std::visit([this](const auto& one) { Do(one); }, action);
}

void Campaign::OnTick() {
  CarryOut(election_.OnTick(options_.steady_clock()));
}

void Campaign::OnHigherTerm(uint64_t term, const std::string& address) {
  CarryOut(election_.OnHigherTerm(term, address, options_.steady_clock()));
}

void Campaign::OnLost(uint64_t term, const std::string& why) {
  CarryOut(election_.OnLost(term, why));
}

void Campaign::Retire(std::function<void()> gone) {
  gone_ = std::move(gone);
  const ElectionActions actions = election_.Retire();
  if (actions.empty()) return std::exchange(gone_, nullptr)();
  CarryOut(actions);
}

template <typename T>
StoreDone<T> Campaign::Then(std::function<ElectionActions(const T&)> take) {
  return [this, post = gate_.post(), take = std::move(take)](absl::StatusOr<T> answer) {
    post([this, take, answer = std::move(answer)] {
      if (!answer.ok()) return NoAnswer(answer.status());
      if (!std::exchange(heard_, true)) LogInfo("the database answers");
      ever_heard_ = true;
      CarryOut(take(*answer));
    });
  };
}

void Campaign::NoAnswer(const absl::Status& why) {
  const absl::Duration now = options_.steady_clock();
  if (std::exchange(heard_, false) || now >= say_again_) {
    say_again_ = now + kSayAgain;
    LogError("no answer from the database about who leads: waits for it",
             {{"error", std::string(why.message())}});
  }
  if (!ever_heard_ && !absl::IsUnavailable(why)) candidate_.Refused(why);
  CarryOut(election_.OnNoAnswer(now));
}

void Campaign::Do(const ReadRow&) {
  terms_.Read(
      Then<TermRow>([this](const TermRow& row) { return election_.OnRow(row, options_.steady_clock()); }));
}

void Campaign::Do(const TakeTerm& take) {
  using Term = std::optional<uint64_t>;
  terms_.Take(
      take.seen, options_.election.holder, options_.election.address,
      Then<Term>([this](const Term& term) { return election_.OnTaken(term, options_.steady_clock()); }));
}

void Campaign::Do(const RenewTerm& renew) {
  terms_.Renew(renew.term, options_.election.holder, Then<bool>([this](const bool& still_ours) {
                 return election_.OnRenewed(still_ours, options_.steady_clock());
               }));
}

void Campaign::Do(const LeadTerm& lead) {
  LogInfo("leads", {{"term", lead.term}});
  candidate_.Lead(lead.term);
}

void Campaign::Do(const StepDown& down) {
  LogWarning("leads no more", {{"term", down.term}, {"reason", down.why}});
  candidate_.StepDown(down.term, down.why);
}

void Campaign::Do(const GiveUpTerm& up) {
  terms_.Resign(up.term, options_.election.holder,
                [this, post = gate_.post()](const absl::StatusOr<bool>& resigned) {
                  post([this, resigned] {
                    if (!resigned.ok()) {
                      LogWarning("cannot resign: others wait for the lease to pass",
                                 {{"error", std::string(resigned.status().message())}});
                    }
                    if (gone_) std::exchange(gone_, nullptr)();
                  });
                });
}

void Campaign::Do(const Follow& follow) {
  LogInfo(follow.address.empty() ? "nobody leads" : "follows",
          {{"term", follow.term}, {"leader", follow.address}});
  candidate_.Follow(follow.term, follow.address);
}

void Campaign::Do(const Freeze&) {
  LogWarning("frozen: leads without an answer from the database", {{"term", *election_.leads()}});
}

void Campaign::Do(const Thaw&) {
  LogInfo("thawed: the database answers, and the term stands", {{"term", *election_.leads()}});
}

}  // namespace mind::server
