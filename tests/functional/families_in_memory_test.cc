// More models than a worker's memory holds.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/functional/cluster.h"
#include "tests/support/model_folder.h"
#include "worker/image/decode.h"

namespace mind::testing {
namespace {

// Room for four of five models that have nothing in common, and work for all of them, the last model's last.
TEST(FamiliesInMemory, FourModelsAreHeldAndTheFifthTakesTheOldestsPlace) {
  support::ModelFolder folder;
  const std::vector<std::string> names = {"a", "b", "c", "d", "e"};
  for (const std::string& name : names) folder.AddAltered(name, "sd1", static_cast<uint8_t>(name[0]));
  uintmax_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(
           folder.path() + "/a", std::filesystem::directory_options::follow_directory_symlink)) {
    if (entry.path().extension() == ".safetensors") bytes += entry.file_size();
  }
  Cluster cluster;
  cluster.StartWorker("w", {"--models", folder.path(), "--memory", std::to_string(bytes * 9 / 2)});
  const auto client = cluster.NewClient();
  EXPECT_EQ(client->Workers()->at(0).loaded_models_size(), 4);
  std::vector<std::string> jobs;
  for (int round = 0; round < 4; ++round) {
    for (const std::string& name : names) {
      v1::JobRequest request = Request("a photo of a cat", 1, 20);
      request.mutable_spec()->set_model(name);
      request.mutable_spec()->clear_width();
      request.mutable_spec()->clear_height();
      const auto job = client->Create(request);
      ASSERT_TRUE(job.ok()) << job.status();
      jobs.push_back(job->id());
    }
  }
  std::map<std::string, std::vector<uint8_t>> first;  // by model
  for (size_t i = 0; i < jobs.size(); ++i) {
    const std::map<uint32_t, std::string> pictures = PicturesOf(*client, jobs[i]);
    ASSERT_EQ(pictures.size(), 1U);
    const v1::Job ended = JobNow(*client, jobs[i]);
    EXPECT_EQ(ended.steps_done(), ended.steps_total());
    const image::RgbPicture picture = image::DecodePicture(pictures.at(0));
    // However often a model was loaded anew, it makes the same picture.
    const auto made = first.emplace(names[i % names.size()], picture.data).first;
    EXPECT_TRUE(picture.data == made->second) << jobs[i];
  }
  EXPECT_GE(cluster.WorkerMetric("w", "mind_worker_models_unloaded_total"), 1);
  EXPECT_LE(client->Workers()->at(0).loaded_models_size(), 4);
}

}  // namespace
}  // namespace mind::testing
