#include "worker/evaluation/pictures.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "client/cpp/client.h"
#include "worker/diffusion/engine/picture.h"
#include "worker/diffusion/error.h"
#include "worker/image/decode.h"
#include "worker/training/sample_sheet.h"

namespace mind::evaluation {
namespace {

at::Tensor Decoded(const std::string& file, const std::string& name) {
  try {
    const image::RgbPicture picture = image::DecodePicture(file);
    const at::Tensor bytes =
        at::tensor(at::ArrayRef<uint8_t>(picture.data), at::kByte).view({picture.height, picture.width, 3});
    return bytes.permute({2, 0, 1}).to(at::kFloat) / 127.5 - 1;
  } catch (const std::runtime_error& e) {
    throw diffusion::Error(name + ": " + e.what());
  }
}

at::Tensor Together(const std::vector<at::Tensor>& pictures) {
  for (const at::Tensor& picture : pictures) {
    if (picture.sizes() != pictures.front().sizes())
      throw diffusion::Error("the pictures are not all of one size");
  }
  return at::stack(pictures);
}

v1::JobRequest RequestFor(const Service& service, const Prompt& prompt, uint64_t seed) {
  v1::JobRequest request;
  v1::ImageSpec& spec = *request.mutable_spec();
  spec.set_model(service.model);
  spec.set_prompt(prompt.text);
  spec.set_seed(seed);
  spec.set_sampler(service.sampler);
  spec.set_preview_every(0);
  if (service.steps > 0) spec.set_steps(service.steps);
  if (service.guidance >= 0) spec.set_guidance(service.guidance);
  return request;
}

}  // namespace

at::Tensor FromService(const Service& service, const std::vector<Prompt>& prompts) {
  client::Client client({.server = service.server, .tenant = ""});
  std::vector<at::Tensor> pictures(prompts.size());
  std::vector<std::string> errors(prompts.size());
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < prompts.size(); i = next++) {
      std::string file;
      const auto job = client.Generate(
          RequestFor(service, prompts[i], service.seed + i),
          {.event = nullptr, .picture = [&file](client::Picture made) { file = std::move(made.data); }});
      if (!job.ok()) {
        errors[i] = std::string(job.status().message());
      } else {
        pictures[i] = Decoded(file, prompts[i].text);
      }
    }
  };
  {
    std::vector<std::jthread> callers;
    for (int64_t i = 0; i < service.most_at_once; ++i) callers.emplace_back(work);
  }
  for (size_t i = 0; i < prompts.size(); ++i) {
    if (!errors[i].empty()) throw diffusion::Error("\"" + prompts[i].text + "\": " + errors[i]);
  }
  return Together(pictures);
}

at::Tensor FromFolder(const std::string& folder) {
  std::set<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string extension = entry.path().extension().string();
    if (extension == ".png" || extension == ".jpg" || extension == ".jpeg" || extension == ".webp")
      files.insert(entry.path());
  }
  if (files.empty()) throw diffusion::Error(folder + ": no pictures in it (.png, .jpg, .jpeg, .webp)");
  std::vector<at::Tensor> pictures;
  for (const auto& path : files) {
    std::ifstream file(path, std::ios::binary);
    pictures.push_back(Decoded({std::istreambuf_iterator<char>(file), {}}, path.string()));
  }
  return Together(pictures);
}

std::string ContactSheet(const std::vector<at::Tensor>& sets, int64_t columns) {
  int64_t height = 0, width = 0;
  for (const at::Tensor& set : sets) {
    if (set.size(0) != sets.front().size(0))
      throw diffusion::Error("a sheet needs as many pictures of each, not " +
                             std::to_string(sets.front().size(0)) + " and " + std::to_string(set.size(0)));
    height = std::max(height, set.size(2));
    width = std::max(width, set.size(3));
  }
  std::vector<at::Tensor> shown;
  for (int64_t begin = 0; begin < sets.front().size(0); begin += columns) {
    for (const at::Tensor& set : sets) {
      const at::Tensor row = at::upsample_nearest2d(set.slice(0, begin, begin + columns), {height, width});
      for (const at::Tensor& picture : row.unbind(0)) shown.push_back(diffusion::ToBytes(picture / 2 + 0.5));
      while (static_cast<int64_t>(shown.size()) % columns != 0)
        shown.push_back(at::full_like(shown.front(), 255));
    }
  }
  return training::EncodeSheet(std::move(shown), columns);
}

}  // namespace mind::evaluation
