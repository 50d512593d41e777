#include "server/process/cluster_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mind::server {
namespace {

using ::testing::HasSubstr;

TEST(ClusterAddress, LoopbackAddressesMayBeUsed) {
  for (const char* const address :
       {"127.0.0.1:0", "127.1.2.3:8082", "localhost:1", "[::1]:65535", "::1:8082"}) {
    EXPECT_TRUE(CheckClusterAddress(address, false).ok()) << CheckClusterAddress(address, false);
  }
}

TEST(ClusterAddress, OthersAreRefusedWithTheReason) {
  for (const char* const address : {"10.0.0.1:8082", "server-1:8082", "128.0.0.1:1"}) {
    const absl::Status status = CheckClusterAddress(address, false);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << address;
    EXPECT_THAT(std::string(status.message()), HasSubstr("is not a loopback address"));
    EXPECT_THAT(std::string(status.message()), HasSubstr("not encrypted"));
  }
}

TEST(ClusterAddress, AnyMayBeUsedWhereWhatIsSaidIsEncrypted) {
  EXPECT_TRUE(CheckClusterAddress("10.0.0.1:8082", true).ok());
  EXPECT_TRUE(CheckClusterAddress("server-1:8082", true).ok());
  EXPECT_FALSE(CheckClusterAddress("10.0.0.1", true).ok());
}

TEST(ClusterAddress, OneThatNobodyCanDialIsRefused) {
  for (const char* const address : {"0.0.0.0:8082", "[::]:8082"}) {
    EXPECT_THAT(std::string(CheckClusterAddress(address, true).message()),
                HasSubstr("is no address that other servers can dial"));
  }
}

TEST(ClusterAddress, WhatIsNoAddressIsNamed) {
  for (const char* const address :
       {"", "8082", ":8082", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536"}) {
    const absl::Status status = CheckClusterAddress(address, false);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << address;
    EXPECT_THAT(std::string(status.message()), HasSubstr("is not HOST:PORT"));
  }
}

}  // namespace
}  // namespace mind::server
