#include "server/api/inbox.h"

#include <gtest/gtest.h>

#include <string>

namespace mind::server {
namespace {

v1::ConnectRequest Checkpoint(size_t bytes) {
  v1::ConnectRequest message;
  message.mutable_image_checkpoint()->set_data(std::string(bytes, 'c'));
  return message;
}

v1::ConnectRequest Step(uint32_t step) {
  v1::ConnectRequest message;
  message.mutable_image_progress()->set_step(step);
  return message;
}

TEST(InboxTest, OnlyTheFirstMessageTellsTheLoop) {
  Inbox inbox;
  EXPECT_TRUE(inbox.Add(Step(1)).first);
  EXPECT_FALSE(inbox.Add(Step(2)).first);
  inbox.TakeAll();
  EXPECT_TRUE(inbox.Add(Step(3)).first);
}

TEST(InboxTest, EverythingIsTakenAtOnceInOrder) {
  Inbox inbox;
  for (uint32_t step = 1; step <= 3; ++step) inbox.Add(Step(step));
  const Inbox::Taken taken = inbox.TakeAll();
  ASSERT_EQ(taken.messages.size(), 3U);
  for (uint32_t i = 0; i < 3; ++i) EXPECT_EQ(taken.messages[i].image_progress().step(), i + 1);
  EXPECT_TRUE(inbox.TakeAll().messages.empty());
}

TEST(InboxTest, ReadingStopsAtSoManyMessagesAndIsGoneOnWithByWhoTakesThem) {
  Inbox inbox;
  for (size_t i = 1; i < Inbox::kMessages; ++i) ASSERT_TRUE(inbox.Add(Step(1)).read_on) << i;
  EXPECT_FALSE(inbox.Add(Step(1)).read_on);
  EXPECT_TRUE(inbox.TakeAll().was_full);
  EXPECT_TRUE(inbox.Add(Step(1)).read_on);
  EXPECT_FALSE(inbox.TakeAll().was_full);
}

TEST(InboxTest, ReadingStopsAtSoManyBytes) {
  Inbox inbox;
  EXPECT_TRUE(inbox.Add(Checkpoint(Inbox::kBytes / 2)).read_on);
  EXPECT_FALSE(inbox.Add(Checkpoint(Inbox::kBytes / 2)).read_on);
  EXPECT_TRUE(inbox.TakeAll().was_full);
  EXPECT_FALSE(inbox.Add(Checkpoint(2 * Inbox::kBytes)).read_on) << "larger than an inbox: alone";
}

}  // namespace
}  // namespace mind::server
