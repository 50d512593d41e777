// Who of several servers on one store decides: one row, which all of them watch.
//
// Terms are numbered, and the number guards every write: a JobStore is opened for a term, and as soon as
// another has been taken each of its commits is refused with ABORTED and the reason kTermOver. So a server
// that has been asleep cannot write what another has decided otherwise; when to try to take the term is only
// a matter of patience (the row stands still, by the watcher's own clock).
#ifndef MIND_SERVER_STORE_TERM_STORE_H_
#define MIND_SERVER_STORE_TERM_STORE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "server/store/job_reader.h"

namespace mind::server {

// ErrorInfo's reason where somebody else has taken the term.
inline constexpr char kTermOver[] = "TERM_OVER";

// The row as it was read.
struct TermRow {
  uint64_t term = 0;    // 0: nobody has ever decided
  std::string holder;   // a name that a server takes anew at each start; empty: the term is free
  std::string address;  // where the holder is reached by the other servers
  uint64_t beat = 0;    // rises while the holder lives

  friend bool operator==(const TermRow&, const TermRow&) = default;
};

// Thread-safe. What it is asked is done one after the other; callbacks come from a thread of its own, or
// before the call returns, and do no more than pass on what they were told.
//
// Errors: UNAVAILABLE (no answer; of a change nobody knows whether it was made), INTERNAL; with ErrorInfo.
class TermStore {
 public:
  template <typename T>
  using Done = StoreDone<T>;

  virtual ~TermStore() = default;

  virtual void Read(Done<TermRow> done) = 0;
  // Begins the term after that which was seen, if the row is still as it was seen; tells its number. Empty:
  // the row has changed, somebody else was faster or the holder lives. What the earlier holder was
  // committing has happened before, or never will.
  virtual void Take(const TermRow& seen, const std::string& holder, const std::string& address,
                    Done<std::optional<uint64_t>> done) = 0;
  // Shows that the holder lives. False: it is the holder no more.
  virtual void Renew(uint64_t term, const std::string& holder, Done<bool> done) = 0;
  // Leaves the term to whoever wants it; its number still guards it until it is taken. False: it was no
  // longer the holder's.
  virtual void Resign(uint64_t term, const std::string& holder, Done<bool> done) = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_TERM_STORE_H_
