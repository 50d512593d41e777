// What is due when.
#ifndef MIND_SERVER_DISPATCH_DUE_TIMES_H_
#define MIND_SERVER_DISPATCH_DUE_TIMES_H_

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace mind::server {

// One time a name, of any clock. Whoever is found due decides whether that is still so, and sets another
// time if not: a time that only ever moves on, as that of a lease does, need not be set anew each time it
// moves.
template <typename Time, typename Name = std::string>
class DueTimes {
 public:
  // Instead of a time it had.
  void Set(const Name& name, Time due) {
    Erase(name);
    times_[name] = due;
    order_.emplace(due, name);
  }
  // Then, or at the time it had if that is earlier.
  void SetAtLatest(const Name& name, Time due) {
    const auto found = times_.find(name);
    if (found == times_.end() || due < found->second) Set(name, due);
  }
  void Erase(const Name& name) {
    const auto found = times_.find(name);
    if (found == times_.end()) return;
    order_.erase({found->second, name});
    times_.erase(found);
  }
  // Those due by now, which then have no time any more.
  std::vector<Name> TakeDue(Time now) {
    std::vector<Name> due;
    while (!order_.empty() && order_.begin()->first <= now) {
      due.push_back(order_.begin()->second);
      times_.erase(due.back());
      order_.erase(order_.begin());
    }
    return due;
  }

 private:
  std::map<Name, Time> times_;
  std::set<std::pair<Time, Name>> order_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_DISPATCH_DUE_TIMES_H_
