#include "server/trust/key_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "proto/support/time.h"

namespace mind::server {
namespace {

using testing::ElementsAre;
using testing::Optional;
using testing::Pair;

TEST(KeyBook, WhatAFileSaysOfATenantStandsBeforeWhatTheStoreSays) {
  KeyTable file, store;
  *store.tenants["a"].mutable_keep() = ToDuration(absl::Hours(1));
  *store.tenants["b"].mutable_keep() = ToDuration(absl::Hours(2));
  *store.tenants["c"].mutable_keep() = ToDuration(absl::Hours(3));
  *file.tenants["b"].mutable_keep() = ToDuration(absl::Hours(4));
  file.tenants["c"].set_weight(2);  // and no time of its own
  KeyBook book;
  book.SetStore(store, absl::ZeroDuration());
  book.SetFile(file);
  EXPECT_THAT(book.Keeps(), Optional(ElementsAre(Pair("a", absl::Hours(1)), Pair("b", absl::Hours(4)))));
  EXPECT_EQ(book.LimitsOf("c").weight(), 2);
  EXPECT_FALSE(book.LimitsOf("c").has_keep());
}

TEST(KeyBook, WhatAStoreThatIsStillToBeReadSaysOfTenantsIsNotKnown) {
  KeyBook book;
  EXPECT_THAT(book.Keeps(), Optional(ElementsAre())) << "there is no store";
  book.ExpectStore();
  EXPECT_EQ(book.Keeps(), std::nullopt);
  book.SetStore(KeyTable(), absl::ZeroDuration());
  EXPECT_THAT(book.Keeps(), Optional(ElementsAre()));
}

}  // namespace
}  // namespace mind::server
