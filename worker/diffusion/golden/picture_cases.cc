// components/image_processing: what diffusers' VaeImageProcessor makes of pictures and masks.
#include "worker/diffusion/engine/picture.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/pipelines/resize.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {

void RunPictureCases(const GoldenOptions& options, Report& report) {
  const std::filesystem::path file = options.directory / "components" / "image_processing.safetensors";
  if (!std::filesystem::exists(file)) return;
  const SafeTensors record = SafeTensors::Open(file.string());
  const auto run = [&](const std::string& name, const std::function<at::Tensor(const at::Tensor&)>& make) {
    const std::string full = "image_processing/" + name;
    if (full.find(options.filter) == std::string::npos) return;
    report.Run(full, [&](Report::Case& result) {
      const at::Tensor expected = record.Get("out." + name);
      result.Compare(name, make(expected).to(at::kFloat), expected.to(at::kFloat), 1e-6);
    });
  };
  const auto resized = [](const at::Tensor& picture, const at::Tensor& like) {
    return ToFloats(ResizePicture(picture, like.size(-1), like.size(-2)), at::kCPU).unsqueeze(0);
  };
  const auto picture = [&](const at::Tensor& like) { return resized(record.Get("in.rgb_u8"), like) * 2 - 1; };
  const auto mask = [&](const at::Tensor& like) {
    return resized(record.Get("in.mask_u8").unsqueeze(-1), like) >= 0.5;
  };
  for (const char* name : {"preprocess_48x64", "preprocess_default_multiple_of_8", "preprocess_up_72x104"}) {
    run(name, picture);
  }
  for (const char* name : {"mask_64x64", "mask_default"}) run(name, mask);
  run("postprocess_u8", [&](const at::Tensor&) {
    const at::Tensor samples = (record.Get("in.sample") / 2 + 0.5).clamp(0, 1);
    return at::stack({ToBytes(samples[0]), ToBytes(samples[1])});
  });
}

}  // namespace mind::diffusion
