#include "worker/image/infotext.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mind::image {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(Infotext, IsReadAsItWasWritten) {
  const Infotext info{.prompt = "a cat,\non a mat",
                      .negative_prompt = "blur: no",
                      .steps = 20,
                      .sampler = "euler_a",
                      .sampler_parameters = R"({"eta":0.5,"x":"\"q\""})",
                      .guidance = 7.5,
                      .strength = 0.5,
                      .mask_blur = 4,
                      .mask_padding = 32,
                      .seed = 5,
                      .variation_seed = 9,
                      .variation_strength = 0.25,
                      .width = 64,
                      .height = 32,
                      .model = "sd, v1",
                      .version = "Mind 1"};
  const InfotextFields fields = ParseInfotext(FormatInfotext(info));
  EXPECT_EQ(fields.prompt, info.prompt);
  EXPECT_EQ(fields.negative_prompt, info.negative_prompt);
  EXPECT_THAT(fields.values,
              ElementsAre(Pair("Steps", "20"), Pair("Sampler", "Euler a"),
                          Pair("Sampler parameters", info.sampler_parameters), Pair("CFG scale", "7.5"),
                          Pair("Seed", "5"), Pair("Size", "64x32"), Pair("Model", "sd, v1"),
                          Pair("Variation seed", "9"), Pair("Variation seed strength", "0.25"),
                          Pair("Denoising strength", "0.5"), Pair("Mask blur", "4.0"),
                          Pair("Inpaint area", "Only masked"), Pair("Masked area padding", "32"),
                          Pair("RNG", "CPU"), Pair("Version", "Mind 1")));
}

TEST(Infotext, SaysHowManyPicturesItWasChangedBy) {
  EXPECT_NE(FormatInfotext({.references = 2}).find(", References: 2,"), std::string::npos);
  EXPECT_EQ(FormatInfotext({}).find("References"), std::string::npos);
}

TEST(Infotext, ASecondPassIsWrittenAsA1111Does) {
  Infotext info{.strength = 0.7, .hires = {.scale = 1.5, .steps = 10, .upscaler = "Latent"}};
  EXPECT_THAT(FormatInfotext(info),
              testing::HasSubstr("Hires upscale: 1.5, Hires steps: 10, Hires upscaler: Latent"));
  info.tiling = true;
  EXPECT_THAT(FormatInfotext(info), testing::HasSubstr("Tiling: True"));
  info.hires = {.scale = 0, .width = 96, .height = 64, .steps = 10, .upscaler = "Lanczos"};
  EXPECT_THAT(FormatInfotext(info),
              testing::HasSubstr("Hires resize: 96x64, Hires steps: 10, Hires upscaler: Lanczos"));
}

TEST(Infotext, AnAutoencoderAndWhatWasPaintedOverAreWrittenAsA1111Does) {
  Infotext info;
  info.model = "sd15";
  info.vae = "vae-ft-mse";
  info.vae_hash = "735e4c3a44";
  info.mask_fill = "latent noise";
  const std::string text = FormatInfotext(info);
  EXPECT_NE(text.find("Model: sd15, VAE hash: 735e4c3a44, VAE: vae-ft-mse.safetensors"), std::string::npos)
      << text;
  EXPECT_NE(text.find(", Masked content: latent noise"), std::string::npos) << text;
  EXPECT_EQ(FormatInfotext({}).find("VAE"), std::string::npos);
}

TEST(Infotext, GuidanceIsWrittenWhereItIsNotAsUsual) {
  const Infotext info{.guidance_begin = 0.2,
                      .guidance_end = 0.8,
                      .projected = {.momentum = -0.5, .norm_threshold = 15, .eta = 0},
                      .perturbed = {.scale = 2.8, .layers = "mid", .after = 0.01, .before = 0.2},
                      .source_fit = "crop",
                      .seed = 1};
  const InfotextFields fields = ParseInfotext(FormatInfotext(info));
  EXPECT_THAT(
      fields.values,
      testing::IsSupersetOf(
          {Pair("Guidance interval", "0.2-0.8"), Pair("APG eta", "0.0"), Pair("APG norm threshold", "15.0"),
           Pair("APG momentum", "-0.5"), Pair("Perturbed guidance", "2.8"), Pair("Perturbed layers", "mid"),
           Pair("Perturbed after", "0.01"), Pair("Perturbed before", "0.2"), Pair("Source fit", "crop")}));
  const std::string usual = FormatInfotext({.seed = 1});
  for (const char* const name : {"Guidance", "APG", "Perturbed", "Source fit"})
    EXPECT_THAT(usual, testing::Not(testing::HasSubstr(name)));
}

TEST(Infotext, SaysWhatFurtherEncodersRead) {
  const InfotextFields fields = ParseInfotext(FormatInfotext(
      {.prompt = "a cat", .further_prompts = {{"Prompt 2", "a cat, asleep"}, {"Negative prompt 3", "fog"}}}));
  EXPECT_EQ(fields.prompt, "a cat");
  EXPECT_THAT(fields.values,
              testing::IsSupersetOf({Pair("Prompt 2", "a cat, asleep"), Pair("Negative prompt 3", "fog")}));
}

TEST(Infotext, WithoutSettingsIsAPrompt) {
  EXPECT_EQ(ParseInfotext("a cat\nStyle: ink, Mood: dark").prompt, "a cat\nStyle: ink, Mood: dark");
  EXPECT_THAT(ParseInfotext("a cat").values, IsEmpty());
  EXPECT_EQ(ParseInfotext("").prompt, "");
  EXPECT_EQ(ParseInfotext("Negative prompt: x").negative_prompt, "x");
  EXPECT_EQ(ParseInfotext("Negative prompt: x").prompt, "");
}

TEST(Infotext, OfSettingsAloneHasNoPrompt) {
  const InfotextFields fields = ParseInfotext("Steps: 1, Seed: 2, Size: 3x4");
  EXPECT_EQ(fields.prompt, "");
  EXPECT_EQ(fields.values.size(), 3U);
}

TEST(Infotext, ThatIsDamagedIsReadAsFarAsItGoes) {
  EXPECT_EQ(ParseInfotext("p\nSteps: 1, Seed: 2, Model: \"open, Size: 3x4").values.size(), 4U);
  EXPECT_EQ(ParseInfotext("p\nSteps: 1, Seed: 2, Size: 3x4, ((((").values.size(), 3U);
  EXPECT_THAT(ParseInfotext("p\n: : :").values, IsEmpty());
}

}  // namespace
}  // namespace mind::image
