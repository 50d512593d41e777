// mind-inspect as a person uses it who wonders what a file is, or why a model is not served.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/functional/cluster.h"
#include "tests/support/model_folder.h"

namespace mind::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Inspect : public ::testing::Test {
 protected:
  // Exit status and output.
  std::pair<int, std::string> Run(const std::vector<std::string>& arguments) {
    std::vector<std::string> command = {std::string(MIND_BIN) + "/mind-inspect"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    Process process(command, folder_.path() + "/output-" + std::to_string(++runs_));
    const int status = process.Wait();
    return {status, process.Output()};
  }
  static std::string Golden(const std::string& path) {
    return (support::ModelFolder::Golden() / path).string();
  }

  support::ModelFolder folder_;
  int runs_ = 0;
};

TEST_F(Inspect, SaysWhatAModelHoldsAndMakes) {
  folder_.Add("sd1", "sd1");
  folder_.AddLoras("sd1");
  const auto [status, output] = Run({folder_.path() + "/sd1"});
  EXPECT_EQ(status, 0) << output;
  EXPECT_THAT(output,
              AllOf(HasSubstr("the model \"sd1\", a StableDiffusionPipeline"),
                    HasSubstr("494 tensors, 0.56 M numbers as fp32"),
                    HasSubstr("64x64 up to 256x256 in steps of 8, prompts in en"),
                    HasSubstr("30 steps of pndm, guidance 7.5"),
                    HasSubstr("yes, 2.8 MiB of weights in memory"), HasSubstr("lora           kohya")));
}

TEST_F(Inspect, ListsTheStagesOfACascade) {
  folder_.AddCascade("two");
  const auto [status, output] = Run({folder_.path() + "/two"});
  EXPECT_EQ(status, 0) << output;
  EXPECT_THAT(output,
              AllOf(HasSubstr("the model \"two\", a Cascade"), HasSubstr("two-base"),
                    HasSubstr("two-upscaler"), HasSubstr("256x256"), HasSubstr("loads          yes")));
}

TEST_F(Inspect, SaysWhatIsWrongWithOneModelOfSeveral) {
  folder_.Add("good", "sd1");
  folder_.AddLoras("good");
  std::ofstream(folder_.path() + "/good/loras/of-another-model.safetensors") << "nothing";
  folder_.Add("bad", "sd1");
  std::filesystem::remove(folder_.path() + "/bad/vae");
  const auto [status, output] = Run({folder_.path()});
  EXPECT_EQ(status, 1);
  EXPECT_THAT(output, AllOf(HasSubstr("of-another-model: does not fit: "),
                            HasSubstr("bad/vae/config.json: missing"), HasSubstr("loads          yes")));
}

TEST_F(Inspect, TellsFilesByTheirNames) {
  const std::pair<const char*, const char*> kFiles[] = {
      {"formats/single_file/sd2.safetensors", "Stable Diffusion 2, the whole model under its original names"},
      {"formats/mindspore/glide-small-upsampler.ckpt", "a stage of GLIDE (MindSpore's names)"},
      {"formats/lora/kohya.safetensors", "a LoRA (kohya's names)"},
      {"formats/lora/peft.safetensors", "a LoRA (PEFT's or diffusers' names)"},
      {"formats/srgan/srgan.ckpt", "the third stage of Taichu-GLIDE"},
      {"models/ddpm-classcond/model.safetensors", "the report's DDPM"},
      {"models/dit_original_names/dit.safetensors", "DiT (its original names)"},
      {"models/sd1/unet/diffusion_pytorch_model.safetensors", "a diffusers UNet"},
      {"models/sd1/vae/diffusion_pytorch_model.safetensors", "a diffusers autoencoder"},
      {"models/sd-zh-bert/text_encoder/model.safetensors", "a BERT text encoder"}};
  for (const auto& [file, kind] : kFiles) {
    const auto [status, output] = Run({Golden(file)});
    EXPECT_EQ(status, 0) << output;
    EXPECT_THAT(output, HasSubstr(std::string(file) + ": " + kind));
  }
}

TEST_F(Inspect, RefusesWhatItCannotRead) {
  std::ofstream(folder_.path() + "/model.pt") << std::string("PK\x03\x04 a pickle");
  EXPECT_THAT(Run({folder_.path() + "/model.pt"}).second, HasSubstr("a PyTorch pickle"));
  EXPECT_THAT(Run({"/nope"}).second, HasSubstr("/nope: there is no such path"));
  EXPECT_EQ(Run({"/nope"}).first, 1);
  EXPECT_EQ(Run({}).first, 2);
  EXPECT_EQ(Run({"--help"}).first, 0);
}

TEST_F(Inspect, FindsTheWatermarkOfAWorkerWithTheKey) {
  const std::string key = folder_.path() + "/key", other = folder_.path() + "/other";
  std::ofstream(key) << "a key of thirty-two random bytes\n";
  std::ofstream(other) << "another key of thirty-two bytes!\n";
  Cluster cluster;
  cluster.StartWorker("w", {"--watermark-key", key});
  std::string picture;
  const auto job = cluster.NewClient()->Generate(
      Request("a red apple", 1),
      {.event = nullptr, .picture = [&](client::Picture one) { picture = one.data; }});
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_THAT(picture, HasSubstr("mind:Watermark=\"spread-spectrum\""));
  const std::string path = folder_.path() + "/picture.png";
  std::ofstream(path, std::ios::binary) << picture;
  const auto [status, output] = Run({"--watermark-key", key, path});
  EXPECT_EQ(status, 0);
  EXPECT_THAT(output, HasSubstr("watermark      found, "));
  const auto [not_found, told] = Run({"--watermark-key", other, path});
  EXPECT_EQ(not_found, 1);
  EXPECT_THAT(told, HasSubstr("watermark      not found, "));
  EXPECT_EQ(Run({"--watermark-key", key, key}).first, 1) << "no picture";
  EXPECT_EQ(Run({"--watermark-key", folder_.path() + "/none", path}).first, 2);
}

}  // namespace
}  // namespace mind::testing
