// Things that know their own id, found by it: among a million of them a second copy of each id is a tenth of
// what the server holds.
#ifndef MIND_SERVER_QUEUE_BY_ID_H_
#define MIND_SERVER_QUEUE_BY_ID_H_

#include <array>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"

namespace mind::server {

// Owns them. The id of one must not change while it is in here; T::id() must give what outlives the call.
// Finds, takes in and gives out in O(1), each time: a hash table that grows moves all that it has at once,
// which among a million would hold the server's loop for a tenth of a second. So this is many small ones,
// each of which grows by itself.
template <typename T>
class ById {
 public:
  // Null: there is none.
  T* Find(std::string_view id) const {
    const Shard& shard = shards_[ShardOf(id)];
    const auto found = shard.find(id);
    return found == shard.end() ? nullptr : found->get();
  }
  // REQUIRES: there is none of this id.
  T& Insert(std::unique_ptr<T> named) {
    Shard& shard = shards_[ShardOf(named->id())];
    ++size_;
    return **shard.insert(std::move(named)).first;
  }
  // REQUIRES: there is one. `id` may be its own.
  std::unique_ptr<T> Take(std::string_view id) {
    Shard& shard = shards_[ShardOf(id)];
    --size_;
    return std::move(shard.extract(shard.find(id)).value());
  }
  size_t size() const { return size_; }
  // In no order; O(n), for who counts again.
  std::vector<const T*> All() const {
    std::vector<const T*> all;
    for (const Shard& shard : shards_) {
      for (const std::unique_ptr<T>& named : shard) all.push_back(named.get());
    }
    return all;
  }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view id) const { return absl::HashOf(id); }
    size_t operator()(const std::unique_ptr<T>& named) const {
      return absl::HashOf(std::string_view(named->id()));
    }
  };
  struct Equal {
    using is_transparent = void;
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return Of(a) == Of(b);
    }

   private:
    static std::string_view Of(std::string_view id) { return id; }
    static std::string_view Of(const std::unique_ptr<T>& named) { return named->id(); }
  };
  using Shard = absl::flat_hash_set<std::unique_ptr<T>, Hash, Equal>;

  // A million are sixteen hundred in each, which are moved in a tenth of a millisecond.
  static constexpr size_t kShards = 640;
  // By other bits of the hash than a shard's own table goes by.
  static size_t ShardOf(std::string_view id) { return (absl::HashOf(id) >> 32) % kShards; }

  std::array<Shard, kShards> shards_;
  size_t size_ = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_QUEUE_BY_ID_H_
