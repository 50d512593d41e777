#include "client/cli/generate_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temporary_folder.h"

namespace mind::cli {
namespace {

using ::testing::HasSubstr;

class GenerateFlags : public ::testing::Test {
 protected:
  GenerateFlags() { AddGenerateFlags(app_, options_); }

  // Why they are refused; empty if they are not.
  std::string Parse(std::vector<std::string> arguments) {
    try {
      app_.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
      return "";
    } catch (const CLI::ParseError& e) {
      return e.what();
    }
  }
  const v1::ImageSpec& spec() const { return options_.request.spec(); }

  CLI::App app_;
  GenerateOptions options_;
};

TEST_F(GenerateFlags, FillInTheRequest) {
  EXPECT_EQ(Parse({"a cat", "--size", "64x96", "--priority", "high", "--format=webp", "-n", "3", "--lora",
                   "style:0.5", "--set", "eta=0.5", "--set", "order=3", "--detach"}),
            "");
  EXPECT_EQ(spec().prompt(), "a cat");
  EXPECT_EQ(spec().width(), 64U);
  EXPECT_EQ(spec().height(), 96U);
  EXPECT_EQ(options_.request.priority(), v1::PRIORITY_HIGH);
  EXPECT_EQ(spec().format(), v1::IMAGE_FORMAT_WEBP);
  EXPECT_EQ(spec().image_count(), 3U);
  ASSERT_EQ(spec().loras_size(), 1);
  EXPECT_EQ(spec().loras(0).name(), "style");
  EXPECT_EQ(spec().loras(0).scale(), 0.5);
  EXPECT_EQ(spec().sampler_parameters().at("eta").number_value(), 0.5);
  EXPECT_EQ(spec().sampler_parameters().size(), 2U);
  EXPECT_TRUE(options_.detach);
}

TEST_F(GenerateFlags, SayWhatFurtherEncodersRead) {
  EXPECT_EQ(Parse({"a cat", "--prompt-2", "b", "--negative-2", "c", "--prompt-3", "d", "--negative-3", "e"}),
            "");
  EXPECT_EQ(spec().prompt_2() + spec().negative_prompt_2() + spec().prompt_3() + spec().negative_prompt_3(),
            "bcde");
}

// Strength 0 is one too; where none is given the server says so.
TEST_F(GenerateFlags, AVariationsStrengthIsTheOneThatIsGiven) {
  EXPECT_EQ(Parse({"a cat", "--variation-seed", "7"}), "");
  EXPECT_EQ(spec().variation().seed(), 7U);
  EXPECT_FALSE(spec().variation().has_strength());
  EXPECT_EQ(Parse({"a cat", "--variation", "0"}), "");
  EXPECT_TRUE(spec().variation().has_strength());
}

TEST_F(GenerateFlags, SayHowGuidanceActs) {
  EXPECT_EQ(Parse({"--guidance-interval", "0.2-0.75", "--projected-eta", "0.1", "--projected-norm", "15",
                   "--projected-momentum", "-0.5", "--scorer", "30", "--scorer-target", "an owl",
                   "--perturbed", "2.8", "--perturbed-interval", "0.01-0.2"}),
            "");
  EXPECT_EQ(spec().perturbed_guidance().scale(), 2.8);
  EXPECT_EQ(spec().perturbed_guidance().interval().begin(), 0.01);
  EXPECT_EQ(spec().perturbed_guidance().interval().end(), 0.2);
  EXPECT_EQ(spec().guidance_interval().begin(), 0.2);
  EXPECT_EQ(spec().guidance_interval().end(), 0.75);
  EXPECT_EQ(spec().projected_guidance().eta(), 0.1);
  EXPECT_EQ(spec().projected_guidance().norm_threshold(), 15);
  EXPECT_EQ(spec().projected_guidance().momentum(), -0.5);
  EXPECT_EQ(spec().scorer_guidance().scale(), 30);
  EXPECT_EQ(spec().scorer_guidance().target(), "an owl");
}

TEST_F(GenerateFlags, SayHowAPictureIsPainted) {
  EXPECT_EQ(Parse({"a cat", "--mask-blur", "0", "--only-masked", "16", "--fit", "crop"}), "");
  EXPECT_TRUE(spec().has_mask_blur());
  EXPECT_EQ(spec().only_masked().padding(), 16U);
  EXPECT_EQ(spec().source_fit(), v1::SOURCE_FIT_CROP);
}

TEST_F(GenerateFlags, SayWhatPaintingBeginsWithAndWhichAutoencoder) {
  EXPECT_EQ(Parse({"a cat", "--mask-fill", "surroundings", "--vae", "ft-mse"}), "");
  EXPECT_EQ(spec().mask_fill(), v1::MASK_FILL_SURROUNDINGS);
  EXPECT_EQ(spec().vae(), "ft-mse");
  EXPECT_THAT(Parse({"a cat", "--mask-fill", "grey"}),
              HasSubstr("is not original|surroundings|noise|nothing"));
}

TEST_F(GenerateFlags, SayHowTheSecondPassIs) {
  EXPECT_EQ(Parse({"a cat", "--hires", "1.5", "--hires-steps", "7", "--hires-strength", "0.4",
                   "--hires-upscaler", "lanczos"}),
            "");
  EXPECT_EQ(spec().hires().scale(), 1.5);
  EXPECT_EQ(spec().hires().steps(), 7U);
  EXPECT_EQ(spec().hires().strength(), 0.4);
  EXPECT_EQ(spec().hires().upscaler(), v1::HIRES_UPSCALER_LANCZOS);
}

TEST_F(GenerateFlags, ASecondPassMayHaveASize) {
  EXPECT_EQ(Parse({"a cat", "--hires", "96x64"}), "");
  EXPECT_EQ(spec().hires().width(), 96U);
  EXPECT_EQ(spec().hires().height(), 64U);
  EXPECT_FALSE(spec().hires().has_scale());
  EXPECT_THAT(Parse({"a cat", "--hires", "large"}), HasSubstr("neither how many times larger"));
}

TEST_F(GenerateFlags, SayHowLaterStagesAreSampled) {
  EXPECT_EQ(Parse({"a cat", "--later-stage", "7:2.5:40", "--later-stage", "::9"}), "");
  ASSERT_EQ(spec().later_stages_size(), 2);
  EXPECT_EQ(spec().later_stages(0).steps(), 7U);
  EXPECT_EQ(spec().later_stages(0).guidance(), 2.5);
  EXPECT_EQ(spec().later_stages(0).noise_level(), 40U);
  EXPECT_FALSE(spec().later_stages(1).has_steps());
  EXPECT_EQ(spec().later_stages(1).noise_level(), 9U);
  EXPECT_THAT(Parse({"a cat", "--later-stage", "many"}), HasSubstr("is not STEPS"));
}

// A file's name may have colons, but for an end that is a weight.
TEST_F(GenerateFlags, ControlsAreFilesWithAWeightAndSteps) {
  const support::TemporaryFolder folder;
  const std::string plain = (folder / "edges.png").string(), colon = (folder / "a:b").string();
  for (const std::string& path : {plain, colon}) std::ofstream(path) << "picture of " << path;
  EXPECT_EQ(Parse({"--control", "canny=" + plain, "--control", "depth=" + plain + ":0.5", "--control",
                   "pose=" + plain + ":1.5:0.2-0.8", "--control", "canny=" + colon, "--control",
                   "canny=" + colon + ":2", "--control", "union#3=" + plain, "--picture-prompt",
                   "plus=" + colon + ":0.5"}),
            "");
  ASSERT_EQ(spec().picture_prompts_size(), 1);
  EXPECT_EQ(spec().picture_prompts(0).adapter(), "plus");
  EXPECT_EQ(spec().picture_prompts(0).image(), "picture of " + colon);
  EXPECT_EQ(spec().picture_prompts(0).weight(), 0.5);
  ASSERT_EQ(spec().controls_size(), 6);
  EXPECT_FALSE(spec().controls(0).has_kind());
  EXPECT_EQ(spec().controls(5).network(), "union");
  EXPECT_EQ(spec().controls(5).kind(), 3U);
  EXPECT_EQ(spec().controls(0).network(), "canny");
  EXPECT_EQ(spec().controls(0).image(), "picture of " + plain);
  EXPECT_FALSE(spec().controls(0).has_weight());
  EXPECT_EQ(spec().controls(1).weight(), 0.5);
  EXPECT_FALSE(spec().controls(1).has_begin());
  EXPECT_EQ(spec().controls(2).image(), "picture of " + plain);
  EXPECT_EQ(spec().controls(2).weight(), 1.5);
  EXPECT_EQ(spec().controls(2).begin(), 0.2);
  EXPECT_EQ(spec().controls(2).end(), 0.8);
  EXPECT_EQ(spec().controls(3).image(), "picture of " + colon);
  EXPECT_EQ(spec().controls(4).image(), "picture of " + colon);
  EXPECT_EQ(spec().controls(4).weight(), 2);
  EXPECT_THAT(Parse({"--control", plain}), HasSubstr("is not NETWORK[#KIND]=FILE[:WEIGHT[:FROM-TO]]"));
  EXPECT_THAT(Parse({"--control", "canny=/no/such:0.5"}), HasSubstr("\"/no/such\" cannot be read"));
}

TEST_F(GenerateFlags, PicturesToGoByComeInTheirOrder) {
  const support::TemporaryFolder folder;
  for (const char* name : {"a", "b"}) std::ofstream((folder / name).string()) << name;
  EXPECT_EQ(Parse({"--reference", (folder / "b").string(), "--reference", (folder / "a").string()}), "");
  ASSERT_EQ(spec().reference_images_size(), 2);
  EXPECT_EQ(spec().reference_images(0), "b");
  EXPECT_EQ(spec().reference_images(1), "a");
  EXPECT_THAT(Parse({"--reference", (folder / "c").string()}), HasSubstr("cannot be read"));
}

TEST_F(GenerateFlags, SayWhatBecomesOfTheJob) {
  EXPECT_EQ(Parse({"--ttl", "90s", "--label", "user=ann", "--label", "note=a=b", "--webhook",
                   "https://there/x", "--quality", "80", "--no-metadata", "--dry-run"}),
            "");
  EXPECT_EQ(options_.request.ttl().seconds(), 90);
  EXPECT_EQ(options_.request.labels().at("user"), "ann");
  EXPECT_EQ(options_.request.labels().at("note"), "a=b");
  EXPECT_EQ(options_.request.webhook_url(), "https://there/x");
  EXPECT_EQ(spec().quality(), 80U);
  EXPECT_FALSE(options_.metadata);
  EXPECT_TRUE(options_.dry_run);
  EXPECT_THAT(Parse({"--label", "user"}), HasSubstr("\"user\" is not NAME=TEXT"));
  EXPECT_THAT(Parse({"--ttl", "0s"}), HasSubstr("--ttl"));
}

TEST_F(GenerateFlags, OfAListSayWhichJobs) {
  CLI::App app;
  v1::ListJobsRequest request;
  AddJobsFlags(app, request);
  EXPECT_EQ(request.page_size(), 20U);
  app.parse(
      std::vector<std::string>{"user=ann", "--label", "failed", "--state", "7", "--limit"});  // last first
  EXPECT_EQ(request.page_size(), 7U);
  EXPECT_EQ(request.state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(request.labels().at("user"), "ann");
}

TEST_F(GenerateFlags, OfOneSettingTheLastCounts) {
  EXPECT_EQ(Parse({"--set", "sigmas=9,3,1", "--set", "sigmas=8,2"}), "");
  const auto& sigmas = spec().sampler_parameters().at("sigmas").list_value();
  ASSERT_EQ(sigmas.values_size(), 2);
  EXPECT_EQ(sigmas.values(0).number_value(), 8);
}

// Else the request would be sent without a picture, and another made than was asked for.
TEST_F(GenerateFlags, APictureThatCannotBeReadIsRefused) {
  const std::string empty = ::testing::TempDir() + "/empty.png";
  std::ofstream(empty).close();
  for (const std::string& path : {std::string("/nowhere/x.png"), ::testing::TempDir(), empty})
    EXPECT_THAT(Parse({"--image", path}), HasSubstr("--image: \"" + path + "\" cannot be read, or is empty"));
}

TEST_F(GenerateFlags, RefuseByNameAndSayWhatIsAllowed) {
  EXPECT_THAT(Parse({"--size", "64"}), HasSubstr("--size: \"64\" is not WIDTHxHEIGHT"));
  EXPECT_THAT(Parse({"--priority", "urgent"}), HasSubstr("--priority: \"urgent\" is not low|normal|high"));
  EXPECT_THAT(Parse({"--set", "eta"}), HasSubstr("--set: \"eta\" is not NAME=VALUE"));
  EXPECT_THAT(Parse({"--lora", "style:much"}), HasSubstr("--lora: \"style:much\" is not NAME or NAME:SCALE"));
  EXPECT_THAT(Parse({"--guidance-interval", "0.5"}),
              HasSubstr("--guidance-interval: \"0.5\" is not FROM-TO"));
  EXPECT_THAT(Parse({"--deadline", "30"}), HasSubstr("--deadline: \"30\" is not a duration"));
}

}  // namespace
}  // namespace mind::cli
