#include "worker/link/vae_hashes.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temporary_folder.h"
#include "worker/link/convert.h"

namespace mind {
namespace {

TEST(VaeHashes, AnAutoencoderGoesToTheEngineAndIsOfferedByItsHash) {
  const mind::support::TemporaryFolder folder;
  const std::string path = (folder / "x.safetensors").string();
  std::ofstream(path) << "abc";
  diffusion::ModelInfo info;
  info.vaes = {{"x", path, ""}, {"wide", path, "too wide"}};
  const v1::Model model = ToProto(info);
  ASSERT_EQ(model.vaes_size(), 2);
  EXPECT_EQ(model.vaes(0).name(), "x");
  EXPECT_EQ(model.vaes(0).hash(), "ba7816bf8f");  // of SHA-256
  EXPECT_EQ(model.vaes(1).unfit(), "too wide");
  EXPECT_EQ(model.vaes(1).hash(), "");
  EXPECT_TRUE(HasVae(info, "x", "ba7816bf8f"));
  EXPECT_FALSE(HasVae(info, "wide", "ba7816bf8f"));
  std::ofstream(path) << "abcd";
  EXPECT_FALSE(HasVae(info, "x", "ba7816bf8f"));
  v1::Assign assign;
  assign.mutable_spec()->set_vae("x");
  assign.mutable_spec()->set_vae_hash("ba7816bf8f");
  const diffusion::TrajectoryRequest request = ToRequest(assign, {});
  EXPECT_EQ(request.vae.name, "x");
  EXPECT_EQ(request.vae.hash, "ba7816bf8f");
}

}  // namespace
}  // namespace mind
