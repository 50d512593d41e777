// Which front leads: a row that the leader keeps changing, and whoever sees it stand still takes it.
//
// No clocks are compared. A front that follows reads the row and asks only whether it has changed since it
// first saw it so, by its own steady clock; one that has seen no change for a lease, or a row that nobody
// holds, tries to take the next term. Time decides when somebody tries, and nothing else: that two who
// believe they lead cannot both write is the store's business, which refuses what comes under a term that is
// over.
//
// A leader that gets no answer from the database stays leader (it is *frozen*): nobody else can take the term
// where it cannot be renewed. It gives up when that has lasted for its patience, or when it hears of a higher
// term.
//
// Plain state: every call is an event with the time it happened, by a clock that never jumps, every return
// value what is to be done about it. At most one question is under way at a time.
#ifndef MIND_SERVER_CLUSTER_ELECTION_H_
#define MIND_SERVER_CLUSTER_ELECTION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "server/store/term_store.h"

namespace mind::server {

// --- What is to be asked of the database. Its answer, or that there is none, is the next event but ticks.

struct ReadRow {};
struct TakeTerm {
  TermRow seen;
};
struct RenewTerm {
  uint64_t term = 0;
};

// --- What has been decided.

// This front leads.
struct LeadTerm {
  uint64_t term = 0;
};
// It does no more; nothing of what it knew as leader is to be believed.
struct StepDown {
  uint64_t term = 0;
  std::string why;  // for people
};
// Nobody is waited for any more: others may take the term. The answer to this is no event.
struct GiveUpTerm {
  uint64_t term = 0;
};
// Another front leads; `address` empty: none does.
struct Follow {
  uint64_t term = 0;
  std::string address;
};
// The leader hears nothing from the database, or hears it again.
struct Freeze {};
struct Thaw {};

using ElectionAction =
    std::variant<ReadRow, TakeTerm, RenewTerm, LeadTerm, StepDown, GiveUpTerm, Follow, Freeze, Thaw>;
using ElectionActions = std::vector<ElectionAction>;

class Election {
 public:
  struct Options {
    std::string holder;   // names this process, and never another
    std::string address;  // where other fronts reach it
    // A row that has stood still for so long may be taken.
    absl::Duration lease = absl::Seconds(5);
    // How often the row is read or renewed; at most, since a short lease needs more.
    absl::Duration interval = absl::Seconds(1);
    // How long a leader stays one without an answer.
    absl::Duration patience = absl::Seconds(60);
  };

  explicit Election(Options options);

  ElectionActions OnTick(absl::Duration now);

  // The answers: to ReadRow, to TakeTerm (the term; none: someone else was faster), to RenewTerm (whether the
  // term is still this front's); or to any of them that there was none.
  ElectionActions OnRow(const TermRow& row, absl::Duration now);
  ElectionActions OnTaken(std::optional<uint64_t> term, absl::Duration now);
  ElectionActions OnRenewed(bool still_ours, absl::Duration now);
  ElectionActions OnNoAnswer(absl::Duration now);

  // Somebody says that this term has begun, and where its leader is; empty: nothing of that.
  ElectionActions OnHigherTerm(uint64_t term, const std::string& address, absl::Duration now);
  // This front cannot lead in this term: the store has refused a write because it is over, or cannot be
  // opened for it, or the leader can hold no more of what it cannot write.
  ElectionActions OnLost(uint64_t term, std::string why);
  // This front goes: it leads no more, and never will.
  ElectionActions Retire();

  std::optional<uint64_t> leads() const { return leads_; }
  bool frozen() const { return frozen_; }

 private:
  enum class Question { kNone, kRow, kTake, kRenew };

  // Answers come one by one; whatever is asked next waits for its time.
  void Answered(absl::Duration now);
  ElectionActions Ask(Question question, ElectionAction action);
  ElectionActions Stop(std::string why);
  // Says who leads, if that is new; `address` empty: nobody does.
  ElectionActions Point(uint64_t term, const std::string& address);

  const Options options_;
  const absl::Duration interval_;
  Question asked_ = Question::kNone;
  absl::Duration next_ = -absl::InfiniteDuration();  // when the next question is due
  bool retired_ = false;

  // Of a front that follows.
  std::optional<TermRow> seen_;  // the row as it has stood since unchanged_since_
  absl::Duration unchanged_since_;
  std::pair<uint64_t, std::string> following_;  // as was last said: term and address
  uint64_t highest_ = 0;                        // term that has ever been in the row

  // Of the leader.
  std::optional<uint64_t> leads_;
  absl::Duration heard_;  // when the term was last known to be ours
  bool frozen_ = false;
};

}  // namespace mind::server

#endif  // MIND_SERVER_CLUSTER_ELECTION_H_
