// One front's part in the election: asks the database what the Election wants to know, and says what comes of
// it.
//
// All on the server's loop; not thread-safe.
#ifndef MIND_SERVER_CLUSTER_CAMPAIGN_H_
#define MIND_SERVER_CLUSTER_CAMPAIGN_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "server/cluster/election.h"
#include "server/cluster/gate.h"
#include "server/dispatch/moment.h"
#include "server/store/term_store.h"

namespace mind::server {

class Campaign {
 public:
  // Told on the loop.
  class Candidate {
   public:
    virtual ~Candidate() = default;
    virtual void Lead(uint64_t term) = 0;
    virtual void StepDown(uint64_t term, const std::string& why) = 0;
    // Another front leads; `address` empty: none does.
    virtual void Follow(uint64_t term, const std::string& address) = 0;
    // The database has never answered this front's questions, and now says why it never will. They go on.
    virtual void Refused(const absl::Status&) {}
  };

  struct Options {
    Election::Options election;
    Post post;  // to the loop
    std::function<absl::Duration()> steady_clock = SteadyNow;
  };

  // Both must outlive it.
  Campaign(const Options& options, TermStore& terms, Candidate& candidate);

  void OnTick();
  // See Election.
  void OnHigherTerm(uint64_t term, const std::string& address = {});
  void OnLost(uint64_t term, const std::string& why);
  // Never leads again. `gone` is run when others may take the term, or that cannot be said to them.
  void Retire(std::function<void()> gone);

  std::optional<uint64_t> leads() const { return election_.leads(); }
  bool frozen() const { return election_.frozen(); }

 private:
  void CarryOut(const ElectionActions& actions);
  void Do(const ReadRow&);
  void Do(const TakeTerm& take);
  void Do(const RenewTerm& renew);
  void Do(const LeadTerm& lead);
  void Do(const StepDown& down);
  void Do(const GiveUpTerm& up);
  void Do(const Follow& follow);
  void Do(const Freeze&);
  void Do(const Thaw&);
  // For the database: has what it answers taken on the loop.
  template <typename T>
  StoreDone<T> Then(std::function<ElectionActions(const T&)> take);
  void NoAnswer(const absl::Status& why);

  const Options options_;
  TermStore& terms_;
  Candidate& candidate_;
  Election election_;
  std::function<void()> gone_;  // waits for GiveUpTerm
  bool heard_ = true;           // the database has answered the last question
  bool ever_heard_ = false;
  absl::Duration say_again_;  // when it is next told that it has not
  Gate gate_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_CLUSTER_CAMPAIGN_H_
