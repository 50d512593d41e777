#include "server/process/door.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "server/api/key_api.h"
#include "tests/support/everybody.h"
#include "tests/support/loopback.h"
#include "tests/unit/server/wait_for.h"

namespace mind::server {
namespace {

using ::testing::HasSubstr;

class DoorTest : public ::testing::Test {
 protected:
  // With a service behind it that answers whoever comes.
  struct Behind {
    std::unique_ptr<grpc::Server> server;
    std::unique_ptr<Door> door;
  };
  Behind Open(const Door::Options& options) {
    auto door = Door::Open(options, turned_away_);
    EXPECT_TRUE(door.ok()) << door.status();
    grpc::ServerBuilder builder;
    builder.RegisterService(&keys_);
    RefusePacked(builder);
    Behind behind;
    behind.server = (*door)->Build(builder, grpc::InsecureServerCredentials());
    behind.door = *std::move(door);
    return behind;
  }
  static absl::Status Call(const std::string& address, bool packed = false) {
    grpc::ChannelArguments own;
    own.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto stub =
        v1::KeyService::NewStub(grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), own));
    grpc::ClientContext context;
    if (packed) context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    v1::ListKeysRequest request;
    request.set_tenant(std::string(1000, 'x'));
    v1::ListKeysResponse response;
    return FromGrpc(stub->ListKeys(&context, request, &response));
  }

  prometheus::Counter turned_away_;
  Everybody everybody_;
  KeyApi keys_{nullptr, everybody_};
};

TEST_F(DoorTest, IsWhereItIsSaidToBe) {
  for (const auto& [address, dial] :
       {std::pair("127.0.0.1:0", "127.0.0.1"), {"localhost:0", "localhost"}, {"0.0.0.0:0", "127.0.0.1"}}) {
    const Behind behind = Open({.address = address, .files = 100'000});
    ASSERT_GT(behind.door->port(), 0);
    EXPECT_EQ(Call(absl::StrCat(dial, ":", behind.door->port())).code(),
              absl::StatusCode::kFailedPrecondition)
        << address;
    const auto another =
        Door::Open({.address = absl::StrCat("127.0.0.1:", behind.door->port()), .files = 100}, turned_away_);
    EXPECT_TRUE(absl::IsUnavailable(another.status())) << another.status();
    EXPECT_THAT(std::string(another.status().message()), HasSubstr("cannot listen on 127.0.0.1:"));
  }
  EXPECT_FALSE(Door::Open({.address = "nowhere"}, turned_away_).ok());
}

TEST_F(DoorTest, IsNotShutForGoodWhenNoFileIsLeft) {
  // The lowest number that is free: about as many files are open here.
  const int free = open("/dev/null", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(free, 0);
  close(free);
  const Behind behind =
      Open({.address = "127.0.0.1:0", .files = static_cast<uint64_t>(free) + 80, .kept = 20});
  std::vector<int> held;
  for (int i = 0; i < 100; ++i) held.push_back(support::Connect(behind.door->port()));
  WaitFor("connections to be turned away", [this] { return turned_away_.Value() > 0; });
  for (const int fd : held) close(fd);
  const std::string address = absl::StrCat("127.0.0.1:", behind.door->port());
  WaitFor("others to be let in",
          [&] { return Call(address).code() == absl::StatusCode::kFailedPrecondition; });
}

TEST_F(DoorTest, WhatIsPackedIsRefused) {
  const Behind behind = Open({.address = "127.0.0.1:0", .files = 100'000});
  const std::string address = absl::StrCat("127.0.0.1:", behind.door->port());
  const absl::Status refused = Call(address, true);
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnimplemented) << refused;
  EXPECT_EQ(Call(address).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(DoorTest, LetsNobodyInOnceItIsClosed) {
  const Behind behind = Open({.address = "127.0.0.1:0", .files = 100'000});
  behind.door->Close();
  behind.door->Close();
  EXPECT_TRUE(absl::IsUnavailable(Call(absl::StrCat("127.0.0.1:", behind.door->port()))));
}

}  // namespace
}  // namespace mind::server
