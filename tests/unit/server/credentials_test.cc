#include "server/api/credentials.h"

#include <gtest/gtest.h>

namespace mind::server {
namespace {

TEST(Credentials, AnAddressHasNeitherSchemeNorPort) {
  EXPECT_EQ(AddressOf("ipv4:10.0.0.1:4711"), "10.0.0.1");
  EXPECT_EQ(AddressOf("ipv6:%5B2001:db8::1%5D:4711"), "2001:db8::1");
  EXPECT_EQ(AddressOf("ipv6:[::1]:4711"), "::1");
  EXPECT_EQ(AddressOf("unix:"), "unix:");
  EXPECT_EQ(AddressOf(""), "");
}

}  // namespace
}  // namespace mind::server
