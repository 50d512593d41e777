// components/image_processing: what diffusers' VaeImageProcessor makes of pictures and masks. Each recorded
// output is a case of its own.
#include "worker/diffusion/engine/picture.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/pipelines/resize.h"

namespace mind::diffusion {
namespace {

constexpr double kPictureReadTolerance = 1e-6;

at::Tensor Resized(const at::Tensor& picture, const at::Tensor& like) {
  return ToFloats(ResizePicture(picture, like.size(-1), like.size(-2)), at::kCPU).unsqueeze(0);
}

// Ours of a recorded output ("mask_64x64"), of the size of theirs.
at::Tensor Make(const std::string& name, const Record& record, const at::Tensor& like) {
  const auto begins = [&](const char* with) { return name.rfind(with, 0) == 0; };
  if (begins("preprocess_")) return Resized(record.Get("in.rgb_u8"), like) * 2 - 1;
  if (begins("mask_")) return Resized(record.Get("in.mask_u8").unsqueeze(-1), like) >= 0.5;
  if (begins("postprocess_")) {
    const at::Tensor pictures = (record.Get("in.sample") / 2 + 0.5).clamp(0, 1);
    if (name == "postprocess_pt") return pictures;
    std::vector<at::Tensor> bytes;
    for (const at::Tensor& picture : pictures.unbind()) bytes.push_back(ToBytes(picture));
    if (name == "postprocess_u8") return at::stack(bytes);
  }
  throw UnsupportedError("the output \"" + name + "\"");
}

}  // namespace

void RunPictureCases(const GoldenOptions& options, Report& report) {
  const std::string suite = kImageProcessing;
  const std::filesystem::path file = options.directory / "components" / (suite + ".safetensors");
  if (!std::filesystem::exists(file)) return;
  const Record record(file);
  for (const auto& [name, expected] : record.Under("out.")) {
    if (!options.Wants(suite + "/" + name)) continue;
    report.Run(suite + "/" + name, [&, &name = name, &expected = expected](Report::Case& result) {
      result.Compare(name, Make(name, record, expected).to(at::kFloat), expected.to(at::kFloat),
                     kPictureReadTolerance);
    });
  }
  if (!options.filter.empty()) return;
  for (const std::string& name : record.Unused())
    report.Fail(suite + "/" + name, "recorded and used by nothing");
}

}  // namespace mind::diffusion
