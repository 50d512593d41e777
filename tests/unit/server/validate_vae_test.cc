#include "server/generation/validate_vae.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mind::server {
namespace {

using testing::HasSubstr;

v1::Model WithVaes() {
  v1::Model model;
  v1::ModelVae& mse = *model.add_vaes();
  mse.set_name("ft-mse");
  mse.set_hash("735e4c3a44");
  v1::ModelVae& wide = *model.add_vaes();
  wide.set_name("ae");
  wide.set_unfit("its tensor \"decoder.conv_in.weight\" has shape [512, 16, 3, 3]");
  return model;
}

std::string VaeRefusalOf(v1::ImageSpec spec, const v1::Model& model = WithVaes()) {
  return std::string(ResolveVae(model, spec).message());
}

TEST(ValidateVae, OneBesideTheModelGetsItsHash) {
  v1::ImageSpec spec;
  ASSERT_TRUE(ResolveVae(WithVaes(), spec).ok());
  EXPECT_EQ(spec.vae_hash(), "");
  spec.set_vae("ft-mse");
  ASSERT_TRUE(ResolveVae(WithVaes(), spec).ok());
  EXPECT_EQ(spec.vae_hash(), "735e4c3a44");
  ASSERT_TRUE(ResolveVae(WithVaes(), spec).ok());  // as a job says it
}

TEST(ValidateVae, OthersAreRefusedPrecisely) {
  v1::ImageSpec spec;
  spec.set_vae("ft-ema");
  EXPECT_THAT(
      VaeRefusalOf(spec),
      testing::AllOf(HasSubstr("spec.vae: \"ft-ema\" is none beside this model: "), HasSubstr("ft-mse")));
  EXPECT_THAT(VaeRefusalOf(spec, v1::Model()), HasSubstr("spec.vae: this model has none beside it"));
  spec.set_vae("ae");
  EXPECT_THAT(VaeRefusalOf(spec), HasSubstr("spec.vae: \"ae\" does not fit this model: its tensor "));
  spec.set_vae("ft-mse");
  spec.set_vae_hash("0000000000");
  EXPECT_THAT(VaeRefusalOf(spec),
              HasSubstr("spec.vae_hash: \"0000000000\" given; the one named \"ft-mse\" has 735e4c3a44"));
  spec.clear_vae();
  EXPECT_THAT(VaeRefusalOf(spec), HasSubstr("spec.vae_hash: given without vae"));
}

}  // namespace
}  // namespace mind::server
