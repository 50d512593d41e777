#include "server/http/sse.h"

#include <gtest/gtest.h>

namespace mind::server {
namespace {

TEST(Sse, FramesAnEvent) {
  EXPECT_EQ(SseEvent(7, "progress", "{}"), "id: 7\nevent: progress\ndata: {}\n\n");
  EXPECT_EQ(SseEvent(std::nullopt, "", "a\nb"), "data: a\ndata: b\n\n");
}

}  // namespace
}  // namespace mind::server
