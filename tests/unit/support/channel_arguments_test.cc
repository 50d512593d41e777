#include "proto/support/channel_arguments.h"

#include <gtest/gtest.h>

#include <cstring>
#include <optional>

namespace mind {
namespace {

std::optional<int> NumberOf(const grpc::ChannelArguments& arguments, const char* key) {
  const grpc_channel_args all = arguments.c_channel_args();
  for (size_t i = 0; i < all.num_args; ++i) {
    const grpc_arg& arg = all.args[i];
    if (arg.type == GRPC_ARG_INTEGER && std::strcmp(arg.key, key) == 0) return arg.value.integer;
  }
  return std::nullopt;
}

TEST(ChannelArguments, AServerThatIsSilentIsAskedAlsoBetweenCalls) {
  const grpc::ChannelArguments arguments = ChannelArguments(absl::Seconds(10), absl::Milliseconds(2500));
  EXPECT_EQ(NumberOf(arguments, GRPC_ARG_KEEPALIVE_TIME_MS), 10'000);
  EXPECT_EQ(NumberOf(arguments, GRPC_ARG_KEEPALIVE_TIMEOUT_MS), 2500);
  EXPECT_EQ(NumberOf(arguments, GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS), 1);
}

TEST(ChannelArguments, TheLargestMessagesPassBothWays) {
  const grpc::ChannelArguments arguments = ChannelArguments(absl::Seconds(1), absl::Seconds(1));
  EXPECT_EQ(NumberOf(arguments, GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH), kMaxMessageBytes);
  EXPECT_EQ(NumberOf(arguments, GRPC_ARG_MAX_SEND_MESSAGE_LENGTH), kMaxMessageBytes);
}

}  // namespace
}  // namespace mind
