#include "worker/diffusion/models/qwen_picture_text.h"

#include <algorithm>

#include "worker/diffusion/error.h"

namespace mind::diffusion {
QwenPictureText::QwenPictureText(const Scope& text, const QwenTextConfig& text_config, const Scope& vision,
                                 const QwenVisionConfig& vision_config, int64_t mark)
    : text_(text, text_config), vision_(vision, vision_config), mark_(mark) {
  if (vision_config.out != text_config.width)
    throw ModelError("a language model of width " + std::to_string(text_config.width) +
                     " cannot read pictures' tokens of width " + std::to_string(vision_config.out) +
                     " (out_hidden_size)");
  if (text_.axes() != 3) throw ModelError("a language model that reads pictures needs an mrope_section of 3");
}

SeenPicture QwenPictureText::See(const at::Tensor& patches, int64_t rows, int64_t columns) const {
  const int64_t merged = vision_.config().merged;
  return {vision_(patches, rows, columns), rows / merged, columns / merged};
}

std::vector<int64_t> QwenPictureText::Spread(const std::vector<int64_t>& ids,
                                             const std::vector<SeenPicture>& pictures) const {
  const auto marks = std::count(ids.begin(), ids.end(), mark_);
  if (marks != static_cast<int64_t>(pictures.size()))
    throw RequestError("a prompt may not hold the mark that stands for a picture");
  std::vector<int64_t> spread;
  size_t picture = 0;
  for (const int64_t id : ids) {
    int64_t count = 1;
    if (id == mark_) count = pictures[picture++].tokens.size(0);
    spread.insert(spread.end(), static_cast<size_t>(count), id);
  }
  return spread;
}

std::vector<at::Tensor> QwenPictureText::States(const std::vector<int64_t>& ids,
                                                const std::vector<SeenPicture>& pictures) const {
  std::vector<std::array<int64_t, 2>> grids;
  std::vector<InsertedVectors> inserted;
  int64_t place = 0;
  for (const SeenPicture& picture : pictures) {
    while (ids.at(static_cast<size_t>(place)) != mark_) ++place;
    inserted.push_back({.row = 0, .place = place, .vectors = picture.tokens});
    grids.push_back({picture.rows, picture.columns});
    place += picture.tokens.size(0);
  }
  const at::Device device = pictures.front().tokens.device();
  const at::Tensor row = at::tensor(ids, at::kLong).unsqueeze(0).to(device);
  return text_.Through(WithInserted(text_.Embed(row), inserted), QwenPlaces(ids, mark_, grids).to(device),
                       /*mask=*/{});
}

at::Tensor QwenPlaces(const std::vector<int64_t>& ids, int64_t mark,
                      const std::vector<std::array<int64_t, 2>>& grids) {
  std::vector<at::Tensor> parts;
  int64_t next = 0;
  size_t picture = 0;
  for (size_t i = 0; i < ids.size();) {
    if (ids[i] == mark && picture < grids.size()) {
      const auto [rows, columns] = grids[picture++];
      parts.push_back(GridPositions({next, next, next}, rows, columns, at::kCPU));
      next += std::max(rows, columns);
      i += static_cast<size_t>(rows * columns);
      continue;
    }
    const size_t begin = i;
    while (i < ids.size() && (ids[i] != mark || picture == grids.size())) ++i;
    const auto count = static_cast<int64_t>(i - begin);
    parts.push_back(LinePositions({next, next, next}, {1, 1, 1}, count, at::kCPU));
    next += count;
  }
  return at::cat(parts);
}

}  // namespace mind::diffusion
