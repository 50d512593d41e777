#include "server/api/event_wires.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <vector>

#include "mind/v1/generation.grpc.pb.h"

namespace mind::server {
namespace {

JobEventPtr PreviewEvent(uint32_t step) {
  v1::JobEvent event;
  event.set_job_id("j");
  event.set_sequence(7);
  event.mutable_preview()->set_step(step);
  event.mutable_preview()->set_data(std::string(5000, 'x'));
  return std::make_shared<const v1::JobEvent>(event);
}
template <typename Response>
Response Parsed(grpc::ByteBuffer bytes) {
  Response response;
  EXPECT_TRUE(grpc::SerializationTraits<Response>::Deserialize(&bytes, &response).ok());
  return response;
}
// Where the bytes lie.
const uint8_t* Place(const grpc::ByteBuffer& bytes) {
  std::vector<grpc::Slice> slices;
  EXPECT_TRUE(bytes.Dump(&slices).ok());
  return slices.at(0).begin();
}

TEST(EventWires, AreResponsesOfBothStreams) {
  EventWires wires;
  const JobEventPtr event = PreviewEvent(3);
  const std::string expected = event->SerializeAsString();
  EXPECT_EQ(Parsed<v1::GenerateImageResponse>(wires.Of(event)).event().SerializeAsString(), expected);
  EXPECT_EQ(Parsed<v1::WatchJobResponse>(wires.Of(event)).event().SerializeAsString(), expected);
}

TEST(EventWires, AreMadeOnceForAllWhoWatch) {
  EventWires wires;
  const JobEventPtr first = PreviewEvent(1), second = PreviewEvent(2);
  const grpc::ByteBuffer bytes = wires.Of(first);
  wires.Of(second);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Place(wires.Of(first)), Place(bytes));
  EXPECT_NE(Place(wires.Of(second)), Place(bytes));
}

TEST(EventWires, KeepAFewOnly) {
  EventWires wires;
  const JobEventPtr first = PreviewEvent(0);
  wires.Of(first);
  for (uint32_t step = 1; step < 100; ++step) wires.Of(PreviewEvent(step));
  EXPECT_EQ(first.use_count(), 1);
}

}  // namespace
}  // namespace mind::server
