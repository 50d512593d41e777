#include "proto/support/otlp_exporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/trace_collector.h"

namespace mind {
namespace {

using support::TraceCollector;

class OtlpExporterTest : public testing::Test {
 protected:
  OtlpExporterTest() {
    options_.endpoint = collector_.address();
    options_.resource = {{"service.name", "tested"}};
    options_.delay = absl::Milliseconds(1);
  }
  void Start() {
    auto exporter = OtlpExporter::Start(options_, registry_);
    ASSERT_TRUE(exporter.ok()) << exporter.status();
    exporter_ = *std::move(exporter);
  }
  // Having told what there is.
  void Stop() { exporter_.reset(); }
  double Counted(const std::string& name) const {
    for (const auto& family : registry_->Collect()) {
      if (family.name == name) return family.metric.at(0).counter.value;
    }
    return -1;
  }
  static Span Of(const TraceContext& context, const std::string& name) {
    return {.context = context,
            .name = name,
            .start = absl::FromUnixSeconds(10),
            .end = absl::FromUnixSeconds(11)};
  }

  TraceCollector collector_;
  OtlpOptions options_;
  const std::shared_ptr<prometheus::Registry> registry_ = std::make_shared<prometheus::Registry>();
  std::unique_ptr<OtlpExporter> exporter_;
  const TraceContext root_ = NewTrace(true);
};

TEST_F(OtlpExporterTest, TellsACollectorAllOfASpan) {
  options_.headers = {{"api-key", "abc"}};
  options_.gzip = true;
  Start();
  Span span = Of(NewSpanIn(root_), "queue");
  span.parent = root_;
  span.kind = Span::Kind::kConsumer;
  span.attributes = {{"text", std::string("a\xff")}, {"number", int64_t{3}}, {"real", 0.5}, {"truth", true}};
  span.events = {
      {.time = absl::FromUnixSeconds(10), .name = "preview", .attributes = {{"step", int64_t{1}}}}};
  span.error = "went wrong";
  exporter_->Add(span);
  Stop();
  const auto spans = collector_.Spans();
  ASSERT_EQ(spans.size(), 1U);
  EXPECT_EQ(spans[0].service, "tested");
  EXPECT_EQ(collector_.Header("api-key"), "abc");
  const TraceCollector::Span& told = spans[0].span;
  EXPECT_EQ(told.trace_id().size(), 16U);
  EXPECT_EQ(told.parent_span_id(), std::string(root_.span.begin(), root_.span.end()));
  EXPECT_EQ(told.name(), "queue");
  EXPECT_EQ(told.kind(), TraceCollector::Span::SPAN_KIND_CONSUMER);
  EXPECT_EQ(told.end_time_unix_nano() - told.start_time_unix_nano(), 1'000'000'000U);
  EXPECT_EQ(told.attributes_size(), 4);
  EXPECT_EQ(told.attributes(0).value().string_value(), "a?");
  EXPECT_EQ(told.events(0).name(), "preview");
  EXPECT_EQ(told.status().message(), "went wrong");
  EXPECT_EQ(Counted("mind_spans_exported_total"), 1);
  EXPECT_EQ(Counted("mind_spans_dropped_total"), 0);
}

TEST_F(OtlpExporterTest, WhatDoesNotFitIsDroppedAndCounted) {
  options_.max_queue = 2;
  options_.delay = absl::Hours(1);
  Start();
  for (int i = 0; i < 5; ++i) exporter_->Add(Of(root_, "queue"));
  EXPECT_EQ(Counted("mind_spans_dropped_total"), 3);
  Stop();
  EXPECT_EQ(collector_.Spans().size(), 2U);
}

TEST_F(OtlpExporterTest, WhatIsRefusedIsDroppedAndCounted) {
  collector_.AnswerWith({grpc::StatusCode::INVALID_ARGUMENT, "no"});
  Start();
  exporter_->Add(Of(root_, "queue"));
  collector_.AwaitCalls(1);
  Stop();
  EXPECT_EQ(Counted("mind_spans_dropped_total"), 1);
  collector_.AnswerWith(grpc::Status::OK, 1);
  Start();
  exporter_->Add(Of(root_, "queue"));
  Stop();
  EXPECT_EQ(Counted("mind_spans_exported_total"), 0);
  EXPECT_EQ(Counted("mind_spans_dropped_total"), 2);
}

TEST_F(OtlpExporterTest, ACollectorThatIsBackGetsWhatItMissed) {
  collector_.AnswerWith({grpc::StatusCode::UNAVAILABLE, "soon"});
  Start();
  exporter_->Add(Of(root_, "queue"));
  collector_.AwaitCalls(1);
  collector_.AnswerWith(grpc::Status::OK);
  collector_.AwaitCalls(2);
  Stop();
  EXPECT_EQ(collector_.Spans().size(), 1U);
}

TEST_F(OtlpExporterTest, ACollectorThatHangsHoldsNobodyUp) {
  options_.timeout = absl::Hours(1);
  options_.max_queue = 1;
  collector_.Hold();
  Start();
  exporter_->Add(Of(root_, "first"));
  collector_.AwaitCalls(1);
  for (int i = 0; i < 10; ++i) exporter_->Add(Of(root_, "more"));
  EXPECT_EQ(Counted("mind_spans_dropped_total"), 9);
  Stop();
  EXPECT_EQ(Counted("mind_spans_dropped_total"), 11);
}

TEST_F(OtlpExporterTest, WhoSamples) {
  Start();
  const TraceContext sampled = NewTrace(true), not_sampled = NewTrace(false);
  EXPECT_TRUE(exporter_->Samples(std::nullopt, not_sampled));
  EXPECT_TRUE(exporter_->Samples(sampled, sampled));
  EXPECT_FALSE(exporter_->Samples(not_sampled, not_sampled));
  options_.parent_decides = false;
  options_.ratio = 0.25;
  Start();
  int taken = 0;
  for (int i = 0; i < 4000; ++i) taken += exporter_->Samples(not_sampled, NewTrace(false)) ? 1 : 0;
  EXPECT_NEAR(taken, 1000, 200);
}

}  // namespace
}  // namespace mind
