#include "worker/diffusion/text/sentence_piece_model.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/protobuf_reader.h"

namespace mind::diffusion {
namespace {

using Model = SentencePieceModel;

constexpr size_t kMostPieces = 10'000'000;

int64_t Number(const ProtobufReader& reader) {
  const std::vector<uint64_t> values = reader.Varints();
  return values.empty() ? 0 : static_cast<int64_t>(values.back());
}

Model::Piece ParsePiece(std::string_view message, const std::string& name) {
  Model::Piece piece;
  ProtobufReader reader(message, name);
  while (reader.Next()) {
    if (reader.field() == 1) piece.text = reader.Bytes();
    if (reader.field() == 2) piece.score = reader.Float();
    if (reader.field() == 3) {
      const int64_t type = Number(reader);
      if (type < 1 || type > 6)
        throw ModelError(name + ": a piece of the unknown type " + std::to_string(type));
      piece.type = static_cast<Model::Type>(type);
    }
  }
  if (std::isnan(piece.score)) throw ModelError(name + ": a piece's score is not a number");
  return piece;
}

void ParseTrainer(std::string_view message, const std::string& name, Model& model) {
  ProtobufReader reader(message, name);
  while (reader.Next()) {
    if (reader.field() == 3) {
      const int64_t kind = Number(reader);
      if (kind != 1 && kind != 2) {
        throw UnsupportedError(name + ": model_type is " + std::to_string(kind) +
                               "; supported: 1 (unigram), 2 (byte pair encoding)");
      }
      model.segmentation = static_cast<Model::Segmentation>(kind);
    }
    if (reader.field() == 24) model.space_is_suffix = Number(reader) != 0;
    // Ids the trainer was told are 32-bit numbers; -1 (none) comes as a 64-bit one.
    if (reader.field() == 42) model.end = static_cast<int32_t>(Number(reader));
    if (reader.field() == 43) model.padding = static_cast<int32_t>(Number(reader));
  }
}

void ParseNormalizer(std::string_view message, const std::string& name, Model& model) {
  ProtobufReader reader(message, name);
  while (reader.Next()) {
    if (reader.field() == 2) model.replacements = reader.Bytes();
    if (reader.field() == 3) model.add_dummy_prefix = Number(reader) != 0;
    if (reader.field() == 4) model.remove_extra_spaces = Number(reader) != 0;
    if (reader.field() == 5) model.escape_spaces = Number(reader) != 0;
  }
}

void Index(const std::string& name, Model& model) {
  int64_t unknowns = 0;
  std::unordered_map<std::string, int64_t> bytes;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const auto& [text, score, type] = model.pieces[id];
    const auto number = static_cast<int64_t>(id);
    if (text.empty()) throw ModelError(name + ": piece " + std::to_string(id) + " is empty");
    if (type == Model::Type::kUnknown) {
      ++unknowns;
      model.unknown = number;
    } else if (type == Model::Type::kByte) {
      bytes[text] = number;
    } else if (type != Model::Type::kControl) {
      if (!model.in_text.emplace(text, number).second)
        throw ModelError(name + ": the piece \"" + text + "\" is there twice");
      model.longest = std::max(model.longest, text.size());
    }
  }
  if (unknowns != 1)
    throw ModelError(name + ": " + std::to_string(unknowns) + " unknown pieces, one is needed");
  if (bytes.empty()) return;
  for (unsigned byte = 0; byte < 256; ++byte) {
    char text[8];
    std::snprintf(text, sizeof text, "<0x%02X>", byte);
    const auto found = bytes.find(text);
    if (found == bytes.end()) throw ModelError(name + ": the byte piece " + text + " is missing");
    model.bytes.push_back(found->second);
  }
}

}  // namespace

SentencePieceModel SentencePieceModel::Parse(std::string_view file, const std::string& name) {
  Model model;
  model.end = 2;
  ProtobufReader reader(file, name);
  while (reader.Next()) {
    if (reader.field() == 1) model.pieces.push_back(ParsePiece(reader.Bytes(), name));
    if (reader.field() == 2) ParseTrainer(reader.Bytes(), name, model);
    if (reader.field() == 3) ParseNormalizer(reader.Bytes(), name, model);
    if (model.pieces.size() > kMostPieces) throw ModelError(name + ": more pieces than any vocabulary has");
  }
  if (model.pieces.empty()) throw ModelError(name + ": not a SentencePiece model: no pieces in it");
  Index(name, model);
  return model;
}

}  // namespace mind::diffusion
