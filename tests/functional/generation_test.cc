// What a user sees when all goes well.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <map>
#include <string>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/synchronization/notification.h"
#include "mind/v1/generation.grpc.pb.h"
#include "proto/support/errors.h"
#include "tests/functional/cluster.h"

namespace mind::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Seen {
  std::vector<client::Picture> pictures;
  std::vector<uint32_t> preview_steps;
  uint32_t steps_at_first_preview = 0;
  uint32_t steps = 0;
  std::vector<v1::JobEvent::EventCase> order;

  client::Handlers Handlers() {
    return {.event =
                [this](const v1::JobEvent& event) {
                  if (!event.has_stage() && !event.has_waiting()) order.push_back(event.event_case());
                  if (event.has_progress()) steps = event.progress().step();
                  if (event.has_preview()) {
                    if (preview_steps.empty()) steps_at_first_preview = steps;
                    preview_steps.push_back(event.preview().step());
                  }
                },
            .picture = [this](client::Picture picture) { pictures.push_back(std::move(picture)); }};
  }
};

TEST(Generation, APromptBecomesAPicture) {
  Cluster cluster;
  cluster.StartWorker("w");
  Seen seen;
  const auto job = cluster.NewClient()->Generate(Request("a red apple", 1), seen.Handlers());
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->state(), v1::JOB_STATE_SUCCEEDED);
  ASSERT_EQ(seen.pictures.size(), 1U);
  EXPECT_EQ(seen.pictures[0].media_type, "image/png");
  EXPECT_THAT(seen.pictures[0].data, StartsWith("\x89PNG"));
  EXPECT_THAT(seen.pictures[0].data, HasSubstr("Steps: 10, Sampler: DDIM"));
  EXPECT_EQ(seen.order.front(), v1::JobEvent::kQueued);
  EXPECT_EQ(seen.order[1], v1::JobEvent::kStarted);
  EXPECT_EQ(seen.order.back(), v1::JobEvent::kCompleted);
  EXPECT_FALSE(seen.preview_steps.empty());
}

TEST(Generation, AWorkerComputesInThePrecisionItIsTold) {
  std::map<std::string, std::string> pictures;  // by precision
  for (const std::string precision : {"fp32", "bf16"}) {
    Cluster cluster;
    cluster.StartWorker("w", {"--precision", precision});
    Seen seen;
    const auto job = cluster.NewClient()->Generate(Request("a red apple", 1), seen.Handlers());
    ASSERT_TRUE(job.ok()) << job.status();
    ASSERT_EQ(seen.pictures.size(), 1U);
    pictures[precision] = seen.pictures[0].data;
    EXPECT_EQ(cluster.WorkerMetric("w", "mind_worker_device_info", "precision=\"" + precision + "\""), 1);
  }
  EXPECT_NE(pictures["fp32"], pictures["bf16"]);
}

TEST(Generation, APictureCanBeBegunFromAnother) {
  Cluster cluster;
  cluster.StartWorker("w");
  const auto client = cluster.NewClient();
  Seen first;
  ASSERT_TRUE(client->Generate(Request("a red apple", 1), first.Handlers()).ok());
  v1::JobRequest request = Request("a blue apple", 1);
  request.mutable_spec()->set_source_image(first.pictures.at(0).data);
  request.mutable_spec()->set_strength(0.5);
  Seen second, again;
  const auto job = client->Generate(request, second.Handlers());
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_TRUE(job->spec().source_image().empty());  // does not come back
  ASSERT_TRUE(client->Generate(request, again.Handlers()).ok());
  ASSERT_EQ(second.pictures.size(), 1U);
  EXPECT_EQ(second.pictures[0].data, again.pictures.at(0).data);
  EXPECT_NE(second.pictures[0].data, first.pictures[0].data);

  request.mutable_spec()->set_source_image("not a picture");
  Seen none;
  const auto bad = client->Generate(request, none.Handlers());
  EXPECT_EQ(bad.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(bad.status().message(), HasSubstr("a picture of the request: not a PNG, JPEG or WebP file"));
}

TEST(Generation, EverySamplerAModelOffersMakesAPicture) {
  Cluster cluster;
  cluster.StartWorker("w");
  const auto client = cluster.NewClient();
  const auto samplers = client->Samplers("");
  ASSERT_TRUE(samplers.ok()) << samplers.status();
  EXPECT_EQ(samplers->default_sampler(), "ddim");
  EXPECT_GT(samplers->samplers_size(), 35);
  for (const v1::Sampler& sampler : samplers->samplers()) {
    EXPECT_FALSE(sampler.description().empty()) << sampler.name();
    EXPECT_GT(sampler.evaluations_per_step() + sampler.evaluations(), 0) << sampler.name();
    v1::JobRequest request = Request("a red apple", 1, 3);
    // By an alias, where it has one, in capitals.
    request.mutable_spec()->set_sampler(
        sampler.aliases().empty() ? sampler.name() : absl::AsciiStrToUpper(sampler.aliases(0)));
    Seen seen;
    const auto job = client->Generate(request, seen.Handlers());
    ASSERT_TRUE(job.ok()) << sampler.name() << ": " << job.status();
    EXPECT_EQ(job->state(), v1::JOB_STATE_SUCCEEDED) << sampler.name() << ": " << job->error().message();
    EXPECT_EQ(job->spec().sampler(), sampler.name());
  }
}

TEST(Generation, SeveralPicturesHaveSeedsInARow) {
  Cluster cluster;
  cluster.StartWorker("w");
  v1::JobRequest request = Request("a panda", 10);
  request.mutable_spec()->set_image_count(3);
  Seen together;
  ASSERT_TRUE(cluster.NewClient()->Generate(request, together.Handlers()).ok());
  ASSERT_EQ(together.pictures.size(), 3U);
  for (const client::Picture& picture : together.pictures) {
    EXPECT_EQ(picture.seed, 10U + picture.index);
    Seen alone;
    ASSERT_TRUE(cluster.NewClient()->Generate(Request("a panda", picture.seed), alone.Handlers()).ok());
    EXPECT_EQ(alone.pictures[0].data, picture.data);
  }
}

TEST(Generation, EightMixedRequestsAtOnceEqualTheSameRequestsAlone) {
  Cluster cluster;
  cluster.StartWorker("w");
  const char* const samplers[] = {"ddim", "pndm",        "euler", "euler_a", "heun", "dpmpp_2m_karras",
                                  "ddpm", "euler_karras"};
  std::vector<v1::JobRequest> requests;
  for (uint32_t i = 0; i < 8; ++i) {
    v1::JobRequest request =
        Request(i % 2 == 0 ? "红苹果" : "a blue rocket", i, i == 7 ? 30 : 7 + 3 * i, samplers[i]);
    // Half of them with one row a step, so that there is company to share two cores with.
    request.mutable_spec()->set_guidance(i < 4 ? 1 : 1 + 11.0 * i / 7);
    if (i % 3 == 2) request.mutable_spec()->set_width(96);
    requests.push_back(request);
  }
  std::vector<Seen> together(8);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      const auto job = cluster.NewClient()->Generate(requests[i], together[i].Handlers());
      EXPECT_TRUE(job.ok()) << job.status();
    });
  }
  for (std::thread& thread : threads) thread.join();
  // Steps with more than one trajectory: all steps less those of at most one.
  const double steps = cluster.WorkerMetric("w", "mind_batch_size_count");
  const double lone = cluster.WorkerMetric("w", "mind_batch_size_bucket", "le=\"1\"");
  EXPECT_GT(steps - lone, 0);
  for (size_t i = 0; i < 8; ++i) {
    Seen alone;
    ASSERT_TRUE(cluster.NewClient()->Generate(requests[i], alone.Handlers()).ok());
    ASSERT_EQ(together[i].pictures.size(), 1U) << samplers[i];
    EXPECT_EQ(together[i].pictures[0].data, alone.pictures[0].data) << samplers[i];
    ASSERT_FALSE(together[i].preview_steps.empty()) << samplers[i];
    EXPECT_LE(together[i].preview_steps.front(), 2U) << samplers[i];
  }
}

TEST(Generation, ARequestIdCreatesOneJob) {
  Cluster cluster;
  cluster.StartWorker("w");
  v1::JobRequest request = Request("a star", 1);
  request.mutable_spec()->clear_seed();  // chosen at random, once
  request.set_request_id("8c4f1c0e-3f6a-4b5e-9a52-0d7f0c5f9e11");
  const auto client = cluster.NewClient();
  const auto first = client->Create(request);
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_TRUE(client->Watch(first->id(), {}).ok());
  const auto again = client->Create(request);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->id(), first->id());
  EXPECT_EQ(again->state(), v1::JOB_STATE_SUCCEEDED);
  const auto listed = client->List(10);
  ASSERT_TRUE(listed.ok()) << listed.status();
  EXPECT_EQ(listed->size(), 1U);
  request.mutable_spec()->set_prompt("a moon");
  EXPECT_TRUE(absl::IsAlreadyExists(client->Create(request).status()));
}

TEST(Generation, ManyWatchersSeeTheSameJobAndMayBeSlowOrComeLate) {
  Cluster cluster;
  cluster.StartWorker("w");
  const std::string job = CreateJob(*cluster.NewClient(), Request("a castle", 3, 40));
  std::vector<Seen> seen(40);
  absl::Notification others_done;
  std::vector<std::thread> threads;
  for (size_t i = 0; i < seen.size(); ++i) {
    threads.emplace_back([&, i] {
      client::Handlers handlers = seen[i].Handlers();
      if (i == 0) {  // reads one event, and the next when all others are through
        handlers.event = [&, note = handlers.event](const v1::JobEvent& event) {
          note(event);
          others_done.WaitForNotification();
        };
      }
      const auto ended = cluster.NewClient()->Watch(job, handlers);
      EXPECT_TRUE(ended.ok()) << ended.status();
    });
  }
  for (size_t i = 1; i < threads.size(); ++i) threads[i].join();
  others_done.Notify();
  threads[0].join();
  Seen late;
  const auto ended = cluster.NewClient()->Watch(job, late.Handlers());
  ASSERT_TRUE(ended.ok()) << ended.status();
  ASSERT_EQ(late.pictures.size(), 1U);
  for (const Seen& one : seen) {
    ASSERT_EQ(one.pictures.size(), 1U);
    EXPECT_EQ(one.pictures[0].data, late.pictures[0].data);
    EXPECT_EQ(one.order.back(), v1::JobEvent::kCompleted);
  }
}

TEST(Generation, AWatchFromItsLastEventEndsAtOnce) {
  Cluster cluster;
  cluster.StartWorker("w");
  const auto client = cluster.NewClient();
  uint64_t last = 0;
  const auto job = client->Generate(
      Request("a star", 1), {.event = [&last](const v1::JobEvent& event) { last = event.sequence(); }});
  ASSERT_TRUE(job.ok()) << job.status();
  const auto stub = v1::GenerationService::NewStub(
      grpc::CreateChannel(cluster.address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  v1::WatchJobRequest request;
  request.set_id(job->id());
  request.set_after_sequence(last);
  const auto reader = stub->WatchJob(&context, request);
  v1::WatchJobResponse response;
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST(Generation, TheServerSaysThatItIsHealthy) {
  Cluster cluster;
  // HealthCheckRequest { service: name } → HealthCheckResponse { status: SERVING }
  for (const std::string& service : {std::string(), std::string("mind.v1.GenerationService")}) {
    std::string request;
    if (!service.empty()) request = std::string("\x0a") + static_cast<char>(service.size()) + service;
    // Of several servers one has to lead first.
    Await("it to serve", [&] {
      std::string response;
      return RawCall(cluster.address(), "/grpc.health.v1.Health/Check", request, &response).ok() &&
             response == "\x08\x01";
    });
  }
  EXPECT_EQ(RawCall(cluster.address(), "/grpc.health.v1.Health/Check", "\x0a\x01x").error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST(Generation, JobsOfOneTenantAreHiddenFromAnother) {
  Cluster cluster;
  cluster.StartWorker("w");
  const auto job = cluster.NewClient("alice")->Create(Request("a rose", 1));
  ASSERT_TRUE(job.ok());
  EXPECT_TRUE(absl::IsNotFound(cluster.NewClient("bob")->Get(job->id()).status()));
  const auto bobs = cluster.NewClient("bob")->List(10), alices = cluster.NewClient("alice")->List(10);
  ASSERT_TRUE(bobs.ok() && alices.ok());
  EXPECT_TRUE(bobs->empty());
  EXPECT_EQ(alices->size(), 1U);
}

TEST(Generation, FormatsAreAsAskedFor) {
  Cluster cluster;
  cluster.StartWorker("w");
  v1::JobRequest request = Request("a bus", 1);
  request.mutable_spec()->set_format(v1::IMAGE_FORMAT_JPEG);
  Seen jpeg;
  ASSERT_TRUE(cluster.NewClient()->Generate(request, jpeg.Handlers()).ok());
  EXPECT_EQ(jpeg.pictures[0].media_type, "image/jpeg");
  EXPECT_THAT(jpeg.pictures[0].data, StartsWith("\xff\xd8\xff"));
  request.mutable_spec()->set_format(v1::IMAGE_FORMAT_WEBP);
  Seen webp;
  ASSERT_TRUE(cluster.NewClient()->Generate(request, webp.Handlers()).ok());
  EXPECT_THAT(webp.pictures[0].data, StartsWith("RIFF"));
}

}  // namespace
}  // namespace mind::testing
