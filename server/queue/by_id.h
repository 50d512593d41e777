// Things that know their own id, found by it: among a million of them a second copy of each id is a tenth of
// what the server holds.
#ifndef MIND_SERVER_QUEUE_BY_ID_H_
#define MIND_SERVER_QUEUE_BY_ID_H_

#include <memory>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"

namespace mind::server {

struct IdHash {
  using is_transparent = void;
  size_t operator()(std::string_view id) const { return absl::HashOf(id); }
  template <typename T>
  size_t operator()(const std::unique_ptr<T>& named) const {
    return absl::HashOf(std::string_view(named->id()));
  }
};

struct IdEqual {
  using is_transparent = void;
  template <typename A, typename B>
  bool operator()(const A& a, const B& b) const {
    return Of(a) == Of(b);
  }

 private:
  static std::string_view Of(std::string_view id) { return id; }
  template <typename T>
  static std::string_view Of(const std::unique_ptr<T>& named) {
    return named->id();
  }
};

// Owns them. The id of one must not change while it is in here; T::id() must give what outlives the call.
template <typename T>
using ById = absl::flat_hash_set<std::unique_ptr<T>, IdHash, IdEqual>;

}  // namespace mind::server

#endif  // MIND_SERVER_QUEUE_BY_ID_H_
