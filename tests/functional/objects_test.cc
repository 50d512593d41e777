// Pictures in a bucket: put there by workers, with servers and endpoints that fail.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "tests/functional/cluster.h"
#include "tests/support/s3_server.h"
#include "tests/support/temporary_folder.h"

namespace mind::testing {
namespace {

using support::S3Server;

// What the tests' endpoint lets in, in the environment of the programs that are started.
void UseKey(const std::string& secret = S3Server::kSecret) {
  setenv("AWS_ACCESS_KEY_ID", S3Server::kKey, 1);
  setenv("AWS_SECRET_ACCESS_KEY", secret.c_str(), 1);
  setenv("AWS_REGION", S3Server::kRegion, 1);
}

class ObjectsTest : public ::testing::Test {
 protected:
  ObjectsTest() { UseKey(); }

  std::vector<std::string> Flags() const {
    return {"--blobs",       absl::StrCat("s3://", S3Server::kBucket, "/mind"),
            "--s3-endpoint", endpoint_.url(),
            "--blobs-above", "0"};
  }
  static v1::JobRequest Pictures(uint32_t steps) {
    v1::JobRequest request = Request("a fish", 7, steps);
    request.mutable_spec()->set_image_count(2);
    return request;
  }
  // The same job's pictures where they lie without a bucket.
  static const std::map<uint32_t, std::string>& Undisturbed() {
    static const auto* const pictures = [] {
      Cluster cluster;
      cluster.StartWorker("w");
      const auto client = cluster.NewClient();
      return new std::map(PicturesOf(*client, CreateJob(*client, Pictures(10))));
    }();
    return *pictures;
  }

  S3Server endpoint_;
};

TEST_F(ObjectsTest, WorkersPutPicturesThereAndServersGiveThemOut) {
  Cluster cluster(Flags());
  cluster.StartWorker("w");
  const auto client = cluster.NewClient();
  const std::string job = CreateJob(*client, Pictures(10));
  const auto pictures = PicturesOf(*cluster.NewClient(), job);
  EXPECT_EQ(pictures, Undisturbed());
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(endpoint_.Count(absl::StrCat("address PUT /pictures/mind/jobs/", job, "/", i, ".1 200")), 1);
  }
  EXPECT_EQ(endpoint_.Count("header PUT"), 1);  // the server's trial at its start
  EXPECT_EQ(cluster.WorkerMetric("w", "mind_worker_uploads_total"), 2);
  // One that a request brings is there as well, and comes from there.
  v1::JobRequest request = Request("a blue fish", 1, 4);
  request.mutable_spec()->set_source_image(pictures.at(0));
  request.mutable_spec()->set_strength(0.5);
  const std::string begun = CreateJob(*client, request);
  const auto first = PicturesOf(*cluster.NewClient(), begun);
  EXPECT_EQ(endpoint_.Count("header PUT"), 2);
  // All of it is there after a restart.
  cluster.KillServer(SIGKILL);
  cluster.StartServer();
  EXPECT_EQ(PicturesOf(*cluster.NewClient(), job), pictures);
  EXPECT_EQ(PicturesOf(*cluster.NewClient(), begun), first);
  const auto got = client->GetImage(job, 1);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->data(), pictures.at(1));
}

TEST_F(ObjectsTest, AWorkerThatDiesInTheMiddleOfAnUploadCostsNoJob) {
  Cluster cluster(Flags());
  cluster.StartWorker("w");
  endpoint_.Do("hang-uploads");
  const std::string job = CreateJob(*cluster.NewClient(), Pictures(10));
  Await("an upload to begin", [&] { return endpoint_.Does("uploading"); });
  EXPECT_EQ(JobNow(*cluster.NewClient(), job).state(), v1::JOB_STATE_RUNNING);
  cluster.KillWorker("w", SIGKILL);
  endpoint_.Stop("hang-uploads");
  cluster.StartWorker("next");
  EXPECT_EQ(PicturesOf(*cluster.NewClient(), job), Undisturbed());
  EXPECT_EQ(cluster.WorkerMetric("next", "mind_worker_uploads_total"), 2);
}

TEST_F(ObjectsTest, WhatCannotBeUploadedGoesThroughTheServer) {
  Cluster cluster(Flags());
  cluster.StartWorker("w");
  endpoint_.Do("refuse-uploads");
  EXPECT_EQ(PicturesOf(*cluster.NewClient(), CreateJob(*cluster.NewClient(), Pictures(10))), Undisturbed());
  EXPECT_EQ(cluster.WorkerMetric("w", "mind_worker_upload_failures_total"), 2);
  EXPECT_EQ(endpoint_.Count("header PUT"), 3);
}

TEST_F(ObjectsTest, AWorkerThatGoesDownInTheMiddleOfAnUploadSendsThePicture) {
  Cluster cluster(Flags());
  cluster.StartWorker("w", {"--drain", "1s"});
  endpoint_.Do("hang-uploads");
  const std::string job = CreateJob(*cluster.NewClient(), Pictures(10));
  Await("both pictures to be made",
        [&] { return cluster.WorkerMetric("w", "mind_worker_images_total") == 2; });
  cluster.KillWorker("w", SIGTERM);
  EXPECT_EQ(PicturesOf(*cluster.NewClient(), job), Undisturbed());  // nobody is there to make them again
  endpoint_.Stop("hang-uploads");
}

TEST_F(ObjectsTest, NothingIsLostWhileItIsAway) {
  Cluster cluster(Flags());
  cluster.StartWorker("w");
  const auto client = cluster.NewClient();
  const std::string ended = CreateJob(*client, Pictures(10));
  EXPECT_EQ(PicturesOf(*cluster.NewClient(), ended), Undisturbed());
  endpoint_.Do("down");
  const std::string job = CreateJob(*client, Pictures(10));  // it brings nothing that would have to go there
  Await("the store to fail", [&] { return cluster.ServerMetric("mind_store_failing") == 1; });
  EXPECT_FALSE(IsServing(cluster));
  const auto refused = client->Create(Pictures(10));
  EXPECT_TRUE(absl::IsUnavailable(refused.status())) << refused.status();
  EXPECT_TRUE(GetRetryDelay(refused.status()).has_value()) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()), ::testing::HasSubstr("503 SlowDown"));
  const auto unread = client->GetImage(ended, 0);
  EXPECT_TRUE(absl::IsUnavailable(unread.status())) << unread.status();
  EXPECT_EQ(JobNow(*client, job).state(), v1::JOB_STATE_RUNNING);
  endpoint_.Stop("down");
  EXPECT_EQ(PicturesOf(*cluster.NewClient(), job), Undisturbed());
  Await("jobs to be taken again", [&] { return client->Create(Pictures(3)).ok(); });
  EXPECT_TRUE(IsServing(cluster));
}

TEST_F(ObjectsTest, AServerThatIsNotLetInSaysWhyAndEnds) {
  const support::TemporaryFolder folder;
  UseKey("another");
  std::vector<std::string> command = {absl::StrCat(MIND_BIN, "/mind-server"),
                                      "--listen",
                                      "127.0.0.1:0",
                                      "--metrics",
                                      "127.0.0.1:0",
                                      "--data",
                                      folder.string() + "/data"};
  for (const std::string& flag : Flags()) command.push_back(flag);
  Process wrong(command, folder.string() + "/wrong");
  EXPECT_EQ(wrong.Wait(), 1);
  EXPECT_THAT(wrong.Errors(), ::testing::HasSubstr("does not take the secret of the key AKIATEST"));
  unsetenv("AWS_SECRET_ACCESS_KEY");
  Process without(command, folder.string() + "/without");
  EXPECT_EQ(without.Wait(), 1);
  EXPECT_THAT(without.Errors(), ::testing::HasSubstr("--blobs needs AWS_SECRET_ACCESS_KEY"));
}

}  // namespace
}  // namespace mind::testing
