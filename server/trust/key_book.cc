#include "server/trust/key_book.h"

#include <utility>

#include "proto/support/time.h"

namespace mind::server {

void KeyBook::SetFile(KeyTable table) {
  auto made = std::make_shared<const KeyTable>(std::move(table));
  const absl::MutexLock lock(&mutex_);
  file_.swap(made);
}

void KeyBook::SetStore(KeyTable table, absl::Duration read) {
  auto made = std::make_shared<const KeyTable>(std::move(table));
  const absl::MutexLock lock(&mutex_);
  store_.swap(made);
  read_ = read;
}

void KeyBook::ExpectStore() {
  const absl::MutexLock lock(&mutex_);
  if (!read_) read_ = -absl::InfiniteDuration();
}

KeyBook::Found KeyBook::Find(const std::string& id, absl::Duration now) const {
  const absl::ReaderMutexLock lock(&mutex_);
  const bool known = !read_ || now - *read_ <= kKeysBelieved;
  for (const TablePtr& table : {file_, store_}) {
    const auto found = table->keys.find(id);
    if (found != table->keys.end()) return {.key = {table, &found->second}, .known = known || table == file_};
  }
  return {.key = nullptr, .known = known};
}

v1::TenantLimits KeyBook::LimitsOf(const std::string& tenant) const {
  const absl::ReaderMutexLock lock(&mutex_);
  for (const TablePtr& table : {file_, store_}) {
    const auto found = table->tenants.find(tenant);
    if (found != table->tenants.end()) return found->second;
  }
  return {};
}

std::optional<std::map<std::string, absl::Duration>> KeyBook::Keeps() const {
  TablePtr file, store;
  {
    const absl::ReaderMutexLock lock(&mutex_);
    if (read_ == -absl::InfiniteDuration()) return std::nullopt;
    file = file_;
    store = store_;
  }
  std::map<std::string, absl::Duration> keeps;
  for (const TablePtr& table : {store, file}) {
    for (const auto& [tenant, limits] : table->tenants) {
      keeps.erase(tenant);
      if (limits.has_keep()) keeps[tenant] = FromDuration(limits.keep());
    }
  }
  return keeps;
}

KeyTable KeyBook::Everything() const {
  TablePtr file, store;
  {
    const absl::ReaderMutexLock lock(&mutex_);
    file = file_;
    store = store_;
  }
  KeyTable all = *file;
  all.keys.insert(store->keys.begin(), store->keys.end());
  all.tenants.insert(store->tenants.begin(), store->tenants.end());
  return all;
}

}  // namespace mind::server
