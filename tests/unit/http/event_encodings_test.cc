#include "server/http/event_encodings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mind::server {
namespace {

using testing::HasSubstr;
using testing::Not;

JobEventPtr ProgressAt(uint64_t sequence) {
  auto event = std::make_shared<v1::JobEvent>();
  event->set_sequence(sequence);
  event->mutable_progress()->set_step(3);
  return event;
}

TEST(EventEncodings, AreMadeOnceForAll) {
  EventEncodings encodings;
  const JobEventPtr event = ProgressAt(7);
  const SharedBytes first = encodings.Of(event)(), second = encodings.Of(event)();
  EXPECT_EQ(first, second);  // the very bytes
  EXPECT_THAT(*first, HasSubstr("id: 7\nevent: progress\ndata: {"));
  EXPECT_NE(encodings.Of(ProgressAt(7))(), first);
}

TEST(EventEncodings, AreNotKeptForEver) {
  EventEncodings encodings;
  std::weak_ptr<const v1::JobEvent> old;
  std::weak_ptr<const std::string> bytes;
  {
    const JobEventPtr event = ProgressAt(1);
    old = event;
    bytes = encodings.Of(event)();
  }
  for (uint64_t i = 2; i < 1000; ++i) encodings.Of(ProgressAt(i))();
  EXPECT_TRUE(old.expired());
  EXPECT_TRUE(bytes.expired());
}

TEST(EventEncodings, LeaveOutAPicturesBytes) {
  v1::JobEvent event;
  event.mutable_image()->set_data("PNG");
  event.mutable_image()->set_last(true);
  EXPECT_THAT(*EncodeEvent(event), HasSubstr("event: image"));
  EXPECT_THAT(*EncodeEvent(event), Not(HasSubstr("UE5H")));
}

}  // namespace
}  // namespace mind::server
