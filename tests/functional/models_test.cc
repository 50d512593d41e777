// Models that come, change and go while a worker runs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "tests/functional/cluster.h"
#include "tests/support/model_folder.h"

namespace mind::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Models : public ::testing::Test {
 protected:
  fs::path Path(const std::string& name) const { return fs::path(folder_.path()) / name; }
  // Stable Diffusion in one file, as people pass it on.
  void AddFile(const std::string& name, int number) const {
    const std::string ready = Path(name).string() + ".part";
    const std::string make =
        std::string(MIND_BIN) + "/make-tiny file " + ready + " " + std::to_string(number);
    ASSERT_EQ(std::system(make.c_str()), 0) << make;
    fs::rename(ready, Path(name));
  }
  void StartWorker(const std::string& rescan) {
    cluster_.StartWorker("w",
                         {"--models", folder_.path(), "--rescan", rescan, "--checkpoint-interval", "1ms"});
  }

  // What the worker offers, as the server lists it.
  std::vector<std::string> Offered() {
    const auto workers = cluster_.NewClient()->Workers();
    if (!workers.ok() || workers->empty()) return {};
    std::vector<std::string> names(workers->front().models().begin(), workers->front().models().end());
    std::sort(names.begin(), names.end());
    return names;
  }
  void AwaitOffered(const std::vector<std::string>& names) {
    Await("other models", [&] { return Offered() == names; });
  }
  v1::Model ModelNow(const std::string& name) {
    const auto models = cluster_.NewClient()->Models();
    for (const v1::Model& model : models.value_or(std::vector<v1::Model>())) {
      if (model.name() == name) return model;
    }
    return {};
  }

  static v1::JobRequest RequestOf(const std::string& model, uint32_t steps = 10,
                                  const std::string& lora = "") {
    v1::JobRequest request;
    v1::ImageSpec& spec = *request.mutable_spec();
    spec.set_model(model);
    spec.set_prompt("a photo of a cat");
    spec.set_steps(steps);
    spec.set_seed(3);
    spec.set_width(64);
    spec.set_height(64);
    if (!lora.empty()) {
      spec.add_loras()->set_name(lora);
      spec.mutable_loras(0)->set_scale(1);
    }
    return request;
  }
  // Of a job that ends well, its picture.
  std::string PictureOf(const v1::JobRequest& request) {
    std::string picture;
    const auto job = cluster_.NewClient()->Generate(
        request,
        {.event = nullptr, .picture = [&](client::Picture made) { picture = std::move(made.data); }});
    EXPECT_TRUE(job.ok()) << job.status();
    if (job.ok()) {
      EXPECT_EQ(job->state(), v1::JOB_STATE_SUCCEEDED) << job->error().message();
    }
    return picture;
  }
  std::string PictureOf(const std::string& job) {
    std::string picture;
    const auto ended = cluster_.NewClient()->Watch(
        job, {.event = nullptr, .picture = [&](client::Picture made) { picture = std::move(made.data); }});
    EXPECT_TRUE(ended.ok()) << ended.status();
    if (ended.ok()) {
      EXPECT_EQ(ended->state(), v1::JOB_STATE_SUCCEEDED) << ended->error().message();
    }
    return picture;
  }

  support::ModelFolder folder_;
  Cluster cluster_;
};

TEST_F(Models, ComeAndGoWithoutARestart) {
  folder_.AddAltered("first", "sd1", 1);
  StartWorker("200ms");
  EXPECT_THAT(Offered(), ElementsAre("first"));
  AddFile("second.safetensors", 1);
  AwaitOffered({"first", "second"});
  EXPECT_EQ(ModelNow("second").pipeline(), "StableDiffusionPipeline");
  const std::string picture = PictureOf(RequestOf("second"));
  EXPECT_THAT(picture, HasSubstr("Model: second"));

  // Another autoencoder is another revision.
  const std::string revision = ModelNow("second").revision();
  fs::copy(Path("second.safetensors"), Path("second.vae.safetensors"));
  Await("another revision", [&] { return ModelNow("second").revision() != revision; });
  fs::remove(Path("second.vae.safetensors"));
  Await("the first revision", [&] { return ModelNow("second").revision() == revision; });
  EXPECT_EQ(PictureOf(RequestOf("second")), picture);

  fs::remove(Path("second.safetensors"));
  AwaitOffered({"first"});
  // Half a file is none.
  AddFile("third.safetensors", 3);
  fs::resize_file(Path("third.safetensors"), fs::file_size(Path("third.safetensors")) / 2);
  Await("the refusal",
        [&] { return cluster_.worker("w").Errors().find("third.safetensors: ") != std::string::npos; });
  EXPECT_THAT(Offered(), ElementsAre("first"));
}

TEST_F(Models, LorasAreThereAsSoonAsTheirFilesAre) {
  folder_.AddAltered("first", "sd1", 1);
  StartWorker("200ms");
  const std::string plain = PictureOf(RequestOf("first"));
  EXPECT_FALSE(cluster_.NewClient()->Create(RequestOf("first", 10, "ink")).ok());
  fs::create_directory(Path("first/loras"));
  fs::copy(support::ModelFolder::Golden() / "formats/lora/kohya.safetensors",
           Path("first/loras/ink.safetensors"));
  Await("the LoRA", [&] { return ModelNow("first").loras_size() == 1; });
  EXPECT_NE(PictureOf(RequestOf("first", 10, "ink")), plain);
  EXPECT_EQ(PictureOf(RequestOf("first")), plain);
  EXPECT_EQ(cluster_.WorkerMetric("w", "mind_worker_models_unloaded_total"), 0);
}

TEST_F(Models, APictureIsFinishedWithTheWeightsThatItBeganWith) {
  constexpr uint32_t kMany = 600;
  AddFile("model.safetensors", 1);
  StartWorker("200ms");
  const std::string before = PictureOf(RequestOf("model", kMany));
  const std::string revision = ModelNow("model").revision();
  const auto client = cluster_.NewClient();
  const std::string running = CreateJob(*client, RequestOf("model", kMany));
  Await("its first step", [&] { return JobNow(*client, running).steps_done() > 0; });
  AddFile("model.safetensors", 2);
  Await("other weights", [&] { return ModelNow("model").revision() != revision; });
  const std::string after = PictureOf(RequestOf("model", kMany));
  EXPECT_NE(after, before);
  EXPECT_EQ(PictureOf(running), before);
}

TEST_F(Models, AJobThatIsPartlyMadeWaitsForItsWeights) {
  AddFile("model.safetensors", 1);
  StartWorker("200ms");
  const auto client = cluster_.NewClient();
  v1::JobRequest request = RequestOf("model", 600);
  const std::string whole = PictureOf(request);
  const auto sent = [&] { return cluster_.WorkerMetric("w", "mind_worker_checkpoints_sent_total"); };
  const double sent_before = sent();
  const std::string job = CreateJob(*client, request);
  Await("a checkpoint", [&] { return sent() > sent_before; });
  // What is told after it has come after it.
  const uint32_t steps = JobNow(*client, job).steps_done();
  Await("its next steps", [&] { return JobNow(*client, job).steps_done() > steps + 1; });
  cluster_.KillWorker("w", SIGKILL);
  const std::string kept = Path("model.safetensors").string() + ".kept";
  fs::rename(Path("model.safetensors"), kept);
  AddFile("model.safetensors", 2);
  StartWorker("200ms");
  PictureOf(RequestOf("model"));
  EXPECT_EQ(JobNow(*client, job).state(), v1::JOB_STATE_QUEUED);
  fs::rename(kept, Path("model.safetensors"));
  EXPECT_EQ(PictureOf(job), whole);
}

TEST_F(Models, AreLookedAtUponSighup) {
  folder_.AddAltered("first", "sd1", 1);
  StartWorker("0");
  folder_.AddAltered("second", "sd1", 2);
  cluster_.worker("w").Kill(SIGHUP);
  AwaitOffered({"first", "second"});
  EXPECT_TRUE(cluster_.worker("w").running());
}

}  // namespace
}  // namespace mind::testing
