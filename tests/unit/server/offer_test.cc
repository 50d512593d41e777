// What a worker's own description of a model allows.
#include "server/dispatch/offer.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

namespace mind::server {
namespace {

v1::Model PlainOffer() {
  v1::Model model;
  model.set_name("sd");
  model.set_size_multiple(8);
  model.set_max_width(64);
  model.set_max_height(64);
  model.set_max_steps(10);
  model.add_samplers()->set_name("ddim");
  return model;
}

// With a network that knows one kind of picture, and one that knows three.
v1::Model OfferedNetworks() {
  v1::Model model = PlainOffer();
  v1::ModelInput& input = *model.add_inputs();
  input.set_role(v1::INPUT_ROLE_CONTROL);
  input.set_most(2);
  input.add_networks("edges");
  input.add_networks("many");
  input.add_network_kinds(0);
  input.add_network_kinds(3);
  return model;
}

v1::ImageSpec AskedFor() {
  v1::ImageSpec spec;
  spec.set_width(64);
  spec.set_height(32);
  spec.set_steps(4);
  spec.set_sampler("ddim");
  return spec;
}

v1::ImageSpec SteeredBy(const std::string& network) {
  v1::ImageSpec spec = AskedFor();
  spec.add_controls()->set_network(network);
  return spec;
}

TEST(Offer, AnAutoencoderIsMeantByItsFile) {
  v1::Model model = PlainOffer();
  const auto add = [&model](const std::string& name, const std::string& hash, const std::string& unfit) {
    v1::ModelVae& vae = *model.add_vaes();
    vae.set_name(name);
    vae.set_hash(hash);
    vae.set_unfit(unfit);
  };
  add("mse", "735e4c3a44", "");
  add("wide", "", "other shapes");
  const Offer offer(model);
  v1::ImageSpec spec = AskedFor();
  spec.set_vae("mse");
  spec.set_vae_hash("735e4c3a44");
  EXPECT_TRUE(offer.Allows(spec));
  EXPECT_FALSE(Offer(PlainOffer()).Allows(spec));
  EXPECT_NE(offer.key(), Offer(PlainOffer()).key());
  spec.set_vae_hash("0000000000");
  EXPECT_FALSE(offer.Allows(spec));
  spec.set_vae("wide");
  spec.clear_vae_hash();
  EXPECT_FALSE(offer.Allows(spec));
}

TEST(Offer, WhatPaintingBeginsWithIsAskedOfThoseWhoTakeIt) {
  v1::Model model = PlainOffer();
  model.set_takes_source_image(true);
  v1::ImageSpec spec = AskedFor();
  spec.set_source_image("a");
  spec.set_mask_image("b");
  spec.set_mask_fill(v1::MASK_FILL_NOISE);
  EXPECT_FALSE(Offer(model).Allows(spec));
  model.set_takes_mask_fill(true);
  EXPECT_TRUE(Offer(model).Allows(spec));
}

TEST(Offer, ANetworkIsAskedForTheKindsThatItKnows) {
  const Offer offer(OfferedNetworks());
  EXPECT_TRUE(offer.Allows(SteeredBy("edges")));
  EXPECT_FALSE(offer.Allows(SteeredBy("depth")));
  EXPECT_FALSE(offer.Allows(SteeredBy("many")));  // which kind?
  v1::ImageSpec spec = SteeredBy("many");
  spec.mutable_controls(0)->set_kind(2);
  EXPECT_TRUE(offer.Allows(spec));
  spec.mutable_controls(0)->set_kind(3);
  EXPECT_FALSE(offer.Allows(spec));
  spec = SteeredBy("edges");
  spec.mutable_controls(0)->set_kind(0);
  EXPECT_FALSE(offer.Allows(spec));
}

// A worker of an earlier version says nothing of kinds.
TEST(Offer, WithoutKindsEachNetworkKnowsOne) {
  v1::Model model = OfferedNetworks();
  model.mutable_inputs(0)->clear_network_kinds();
  const Offer offer(model);
  EXPECT_TRUE(offer.Allows(SteeredBy("many")));
  v1::ImageSpec spec = SteeredBy("many");
  spec.mutable_controls(0)->set_kind(0);
  EXPECT_FALSE(offer.Allows(spec));
}

TEST(Offer, GuidanceThatAModelDoesNotTakeIsNotForIt) {
  v1::ImageSpec perturbed = AskedFor(), prior = AskedFor(), interval = AskedFor(), projected = AskedFor(),
                scored = AskedFor();
  perturbed.mutable_perturbed_guidance()->set_scale(2);
  prior.set_prior_guidance(4);
  interval.mutable_guidance_interval()->set_end(0.5);
  projected.mutable_projected_guidance()->set_eta(0);
  scored.mutable_scorer_guidance()->set_scale(2);
  EXPECT_TRUE(Offer(PlainOffer()).Allows(AskedFor()));
  EXPECT_FALSE(Offer(PlainOffer()).Allows(perturbed));
  EXPECT_FALSE(Offer(PlainOffer()).Allows(prior));
  EXPECT_FALSE(Offer(PlainOffer()).Allows(interval));
  EXPECT_FALSE(Offer(PlainOffer()).Allows(projected));
  EXPECT_FALSE(Offer(PlainOffer()).Allows(scored));
  v1::Model model = PlainOffer();
  model.set_takes_perturbed_guidance(true);
  EXPECT_TRUE(Offer(model).Allows(perturbed));
  perturbed.mutable_perturbed_guidance()->mutable_interval()->set_end(0.2);
  EXPECT_FALSE(Offer(model).Allows(perturbed));
  model.mutable_perturbed_interval()->set_end(1);
  EXPECT_TRUE(Offer(model).Allows(perturbed));
  EXPECT_FALSE(Offer(model).Allows(prior));
  model.set_takes_prior_guidance(true);
  EXPECT_TRUE(Offer(model).Allows(prior));
  model.set_takes_guidance_interval(true);
  EXPECT_TRUE(Offer(model).Allows(interval));
  model.set_takes_projected_guidance(true);
  EXPECT_TRUE(Offer(model).Allows(projected));
  model.mutable_scorer()->set_kind(v1::SCORER_KIND_TEXT);
  EXPECT_TRUE(Offer(model).Allows(scored));
}

// It says nothing of variations, and would make the seed's own picture.
TEST(Offer, AWorkerOfAnEarlierVersionIsSentNoVariation) {
  v1::ImageSpec varied = AskedFor();
  varied.mutable_variation()->set_strength(0.5);
  EXPECT_FALSE(Offer(PlainOffer()).Allows(varied));
  v1::Model model = PlainOffer();
  model.set_takes_variation(true);
  EXPECT_TRUE(Offer(model).Allows(varied));
  EXPECT_TRUE(Offer(model).Allows(AskedFor()));
}

// A worker of an earlier version would pass over what it does not know.
TEST(Offer, HowAPictureIsPaintedIsForWorkersThatKnowIt) {
  const std::vector<std::function<void(v1::ImageSpec&)>> says = {
      [](v1::ImageSpec& s) { s.set_source_fit(v1::SOURCE_FIT_CROP); },
      [](v1::ImageSpec& s) { s.set_mask_blur(0); },
      [](v1::ImageSpec& s) { s.mutable_only_masked()->set_padding(0); }};
  v1::Model model = PlainOffer();
  model.set_takes_source_image(true);
  v1::Model knows = model;
  knows.set_takes_source_fit(true);
  v1::ImageSpec spec = AskedFor();
  spec.set_source_image("picture");
  spec.set_mask_image("mask");
  EXPECT_TRUE(Offer(model).Allows(spec));
  for (size_t i = 0; i < says.size(); ++i) {
    v1::ImageSpec more = spec;
    says[i](more);
    EXPECT_FALSE(Offer(model).Allows(more)) << i;
    EXPECT_TRUE(Offer(knows).Allows(more)) << i;
  }
}

// A worker of an earlier version would pass over all but the first.
TEST(Offer, PicturesToGoByAreForWorkersThatTakeSoMany) {
  v1::Model model = PlainOffer();
  model.set_takes_source_image(true);
  model.add_tasks(v1::TASK_EDIT);
  v1::ImageSpec spec = AskedFor();
  EXPECT_FALSE(Offer(model).Allows(spec));  // it changes pictures
  for (int i = 0; i < 2; ++i) spec.add_reference_images("picture");
  EXPECT_FALSE(Offer(model).Allows(spec));
  const std::string key = Offer(model).key();
  v1::ModelInput& input = *model.add_inputs();
  input.set_role(v1::INPUT_ROLE_REFERENCE);
  input.set_most(2);
  EXPECT_NE(Offer(model).key(), key);
  EXPECT_TRUE(Offer(model).Allows(spec));
  spec.set_source_image("a third");
  EXPECT_FALSE(Offer(model).Allows(spec));
}

TEST(Offer, ASecondPassIsOfASizeThatTheWorkerAllows) {
  v1::Model model = PlainOffer();
  v1::ImageSpec spec = AskedFor();
  spec.mutable_hires()->set_width(64);
  spec.mutable_hires()->set_height(64);
  EXPECT_FALSE(Offer(model).Allows(spec));
  model.set_takes_hires(true);
  EXPECT_TRUE(Offer(model).Allows(spec));
  spec.mutable_hires()->set_width(72);
  EXPECT_FALSE(Offer(model).Allows(spec));
}

TEST(Offer, PicturesWithoutSeamsAreForModelsThatMakeThem) {
  v1::Model model = PlainOffer();
  v1::ImageSpec spec = AskedFor();
  spec.set_tiling(true);
  EXPECT_FALSE(Offer(model).Allows(spec));
  model.set_takes_tiling(true);
  EXPECT_TRUE(Offer(model).Allows(spec));
}

TEST(Offer, AThirdPromptIsForWorkersThatKnowIt) {
  v1::Model model = PlainOffer();
  v1::ImageSpec spec = AskedFor(), negative = AskedFor();
  spec.set_prompt_3("a dog");
  negative.set_negative_prompt_3("fog");
  EXPECT_FALSE(Offer(model).Allows(spec));
  EXPECT_FALSE(Offer(model).Allows(negative));
  model.set_takes_third_prompt(true);
  EXPECT_TRUE(Offer(model).Allows(spec));
  EXPECT_TRUE(Offer(model).Allows(negative));
}

TEST(Offer, LaterStagesAreToldToWorkersThatKnowThem) {
  v1::Model model = PlainOffer();
  v1::ImageSpec spec = AskedFor();
  spec.add_later_stages()->set_steps(4);
  EXPECT_FALSE(Offer(model).Allows(spec));
  model.add_later_stages();
  EXPECT_TRUE(Offer(model).Allows(spec));
}

TEST(Offer, OffersThatDifferHaveOtherKeys) {
  const std::vector<std::function<void(v1::Model&)>> changes = {
      [](v1::Model& m) { m.set_revision("other"); },
      [](v1::Model& m) { m.set_max_width(128); },
      [](v1::Model& m) { m.set_takes_perturbed_guidance(true); },
      [](v1::Model& m) { m.set_takes_prior_guidance(true); },
      [](v1::Model& m) { m.set_takes_variation(true); },
      [](v1::Model& m) { m.set_takes_guidance_interval(true); },
      [](v1::Model& m) { m.set_takes_projected_guidance(true); },
      [](v1::Model& m) { m.mutable_scorer()->set_kind(v1::SCORER_KIND_TEXT); },
      [](v1::Model& m) { m.mutable_scorer()->set_class_count(7); },
      [](v1::Model& m) { m.set_takes_source_fit(true); },
      [](v1::Model& m) { m.set_takes_hires(true); },
      [](v1::Model& m) { m.set_takes_tiling(true); },
      [](v1::Model& m) { m.set_takes_third_prompt(true); },
      [](v1::Model& m) { m.mutable_perturbed_interval(); },
      [](v1::Model& m) { m.add_later_stages(); },
      [](v1::Model& m) { m.mutable_inputs(0)->set_network_kinds(1, 4); },
      [](v1::Model& m) { m.mutable_inputs(0)->set_network_kinds(0, 3); },
      [](v1::Model& m) { m.mutable_inputs(0)->set_networks(0, "depth"); }};
  EXPECT_EQ(Offer(OfferedNetworks()).key(), Offer(OfferedNetworks()).key());
  for (size_t i = 0; i < changes.size(); ++i) {
    v1::Model model = OfferedNetworks();
    changes[i](model);
    EXPECT_NE(Offer(model).key(), Offer(OfferedNetworks()).key()) << i;
  }
}

}  // namespace
}  // namespace mind::server
