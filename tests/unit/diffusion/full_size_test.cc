// The published models have exactly their published numbers of parameters.
#include "tests/support/full_size.h"

#include <gtest/gtest.h>

namespace mind::diffusion {
namespace {

TEST(FullSize, ParametersAreAsManyAsPublished) {
  for (const FullSize& model : FullSizeModels()) {
    FreshParameters parameters(FreshParameters::Values::kNone);
    model.make(parameters);
    EXPECT_EQ(parameters.count(), model.parameters) << model.name;
  }
}

}  // namespace
}  // namespace mind::diffusion
