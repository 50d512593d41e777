// language/, encode/, textual_inversion/: what the web UI makes of prompts, from text to what a denoiser is
// told.
#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/extended_model.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/golden/tolerances.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/pipelines/text_to_image.h"
#include "worker/diffusion/text/clip_bpe.h"
#include "worker/diffusion/text/prompt_chunks.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;

constexpr double kWeightTolerance = 1e-6;  // the folder's README

// The full vocabulary is too large to lie in each golden directory: it may be in one that lies beside it.
fs::path VocabularyOf(const fs::path& directory, const std::string& path) {
  for (fs::path above = fs::absolute(directory); above.has_relative_path(); above = above.parent_path()) {
    for (const fs::path& found : {above / path, above / "golden" / path}) {
      if (fs::exists(found)) return found;
    }
  }
  throw UnsupportedError(path + ": neither in the golden directory nor in one beside it");
}

// A tokenizer that pads with 0, as SDXL's second does.
class PaddedWithZero : public Tokenizer {
 public:
  explicit PaddedWithZero(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  std::vector<int64_t> Encode(std::string_view text) const override { return tokenizer_.Encode(text); }
  std::vector<int64_t> EncodePadded(std::string_view text, size_t length) const override {
    std::vector<int64_t> ids = tokenizer_.EncodePadded(text, length);
    for (size_t i = tokenizer_.Encode(text).size(); i < length; ++i) ids[i] = 0;
    return ids;
  }
  size_t model_length() const override { return tokenizer_.model_length(); }
  int64_t largest_id() const override { return tokenizer_.largest_id(); }

 private:
  const Tokenizer& tokenizer_;
};

std::vector<double> Expanded(const nlohmann::json& runs) {
  std::vector<double> weights;
  for (const auto& run : runs)
    weights.insert(weights.end(), run.at(1).get<size_t>(), run.at(0).get<double>());
  return weights;
}

void ExpectIds(const std::string& what, const std::vector<PromptChunk>& chunks,
               const nlohmann::json& expected, Report::Case& result) {
  result.ExpectEqual(what + ", chunks", {static_cast<int64_t>(chunks.size())},
                     {static_cast<int64_t>(expected.size())});
  for (size_t i = 0; i < std::min(chunks.size(), expected.size()); ++i)
    result.ExpectEqual(what, chunks[i].ids, expected.at(i).get<std::vector<int64_t>>());
}

void ExpectWeights(const PromptChunk& chunk, const std::vector<double>& expected, Report::Case& result) {
  result.Compare("weights", at::tensor(chunk.weights, at::kDouble), at::tensor(expected, at::kDouble),
                 kWeightTolerance);
}

class LanguageCase {
 public:
  LanguageCase(const nlohmann::json& item, const Tokenizer& tokenizer, size_t length)
      : item_(item), zero_(tokenizer), chunker_(tokenizer, length), chunker_zero_(zero_, length) {}

  void Check(Report::Case& result) const {
    const std::string prompt = item_.at("prompt");
    if (item_.contains("error")) {
      try {
        ParsePrompt(prompt);
        result.Expect(false, "read, where the reference refuses it");
      } catch (const RequestError&) {
        result.Expect(true, "");
      }
      return;
    }
    const std::vector<PromptPiece> pieces = ParsePrompt(prompt);
    const nlohmann::json& parsed = item_.at("parsed");
    result.ExpectEqual("pieces", {static_cast<int64_t>(pieces.size())},
                       {static_cast<int64_t>(parsed.size())});
    for (size_t i = 0; i < std::min(pieces.size(), parsed.size()); ++i) {
      result.Expect(pieces[i].text == parsed.at(i).at(0), "a piece reads \"" + pieces[i].text + "\"");
      result.Compare("weight", at::tensor(pieces[i].weight), at::tensor(parsed.at(i).at(1).get<double>()),
                     kWeightTolerance);
    }
    const nlohmann::json& usual = item_.at("backtrack_20");
    CheckChunks(prompt, {}, usual, result);
    const nlohmann::json& whole = item_.at("backtrack_0");
    CheckChunks(prompt, {.comma_backtrack = 0}, whole.is_string() ? usual : whole, result);
    ExpectIds("padded with 0", chunker_zero_.Chunks(prompt, {}).chunks, item_.at("ids_pad_zero"), result);
    nlohmann::json plain = nlohmann::json::array();
    if (const nlohmann::json& none = item_.at("emphasis_none"); none.is_object()) {
      plain = none.at("ids");
    } else {  // "same ids"
      for (const auto& chunk : usual.at("chunks")) plain.push_back(chunk.at("ids"));
    }
    ExpectIds("without the language", chunker_.Chunks(prompt, {.emphasis = Emphasis::kNone}).chunks, plain,
              result);
  }

 private:
  void CheckChunks(const std::string& prompt, const PromptReading& reading, const nlohmann::json& expected,
                   Report::Case& result) const {
    const PromptChunks ours = chunker_.Chunks(prompt, reading);
    result.ExpectEqual("tokens cut", {ours.tokens_cut}, {0});
    nlohmann::json ids = nlohmann::json::array();
    for (const auto& chunk : expected.at("chunks")) ids.push_back(chunk.at("ids"));
    ExpectIds("ids", ours.chunks, ids, result);
    for (size_t i = 0; i < std::min(ours.chunks.size(), ids.size()); ++i)
      ExpectWeights(ours.chunks[i], Expanded(expected.at("chunks").at(i).at("weights_runs")), result);
  }

  const nlohmann::json& item_;
  const PaddedWithZero zero_;
  const PromptChunker chunker_, chunker_zero_;
};

// A loaded model and what of it these cases look at.
class PromptModel {
 public:
  PromptModel(const fs::path& path, const GoldenOptions& options)
      : pipeline_(LoadPipeline(path.string(), options.parameters())),
        text_(dynamic_cast<const TextToImagePipeline&>(*pipeline_)) {}

  const TextToImagePipeline& text() const { return text_; }
  Told TellOf(const PictureRequest& request) const {
    const ModelInfo& info = pipeline_->info();
    return pipeline_->Condition(request, pipeline_->LatentShape(info.default_width, info.default_height))
        .rows.back();
  }
  void Compare(const std::string& what, const PictureRequest& request, Condition kind,
               const at::Tensor& expected, Report::Case& result) const {
    result.Compare(what, TellOf(request)[kind].unsqueeze(0), expected, kComponentTolerance);
  }

 private:
  const std::unique_ptr<const Pipeline> pipeline_;
  const TextToImagePipeline& text_;
};

// "original.clip_skip2.backtrack0": how the web UI was told to encode.
PictureRequest RequestOf(const std::string& prompt, const std::string& settings) {
  PictureRequest request;
  request.prompt = prompt;
  request.guidance = 1;
  std::istringstream words(settings);
  for (std::string word; std::getline(words, word, '.');) {
    const auto number = [&word](const char* name) {
      return std::stoll(word.substr(std::string(name).size()));
    };
    if (word == "original") {
      request.reading.emphasis = Emphasis::kMeanKept;
    } else if (word == "nonorm") {
      request.reading.emphasis = Emphasis::kAsWritten;
    } else if (word.rfind("clip_skip", 0) == 0) {
      request.clip_skip = number("clip_skip") - 1;  // there the last layer is 1
    } else if (word.rfind("backtrack", 0) == 0) {
      request.reading.comma_backtrack = number("backtrack");
    } else if (word != "pooled") {
      throw UnsupportedError("the setting " + word);
    }
  }
  return request;
}

void CheckEncoded(const nlohmann::json& item, const GoldenOptions& options, Report::Case& result) {
  const PromptModel model(options.directory / item.at("model").get<std::string>(), options);
  const std::string prompt = item.at("prompt"), name = item.at("name");
  const Record& record = result.Open(options.directory / "encode" / (name + ".safetensors"));
  for (size_t i = 0; i < model.text().encoders(); ++i) {
    const std::string number = std::to_string(i + 1);
    const at::Tensor ids = record.Get("in.ids_" + number), weights = record.Get("in.weights_" + number);
    const std::vector<PromptChunk> chunks = model.text().encoder(i).Chunks(prompt, {}).chunks;
    result.ExpectEqual("chunks", {static_cast<int64_t>(chunks.size())}, {ids.size(0)});
    for (size_t k = 0; k < chunks.size(); ++k) {
      const auto row = static_cast<int64_t>(k);
      result.Compare("ids", at::tensor(chunks[k].ids, at::kLong), ids[row], 0);
      result.Compare("weights", at::tensor(chunks[k].weights, at::kDouble), weights[row], kWeightTolerance);
    }
  }
  for (const auto& [settings, expected] : record.Under("out.")) {
    const bool pooled = settings.ends_with("pooled");
    model.Compare(settings, RequestOf(prompt, settings), pooled ? Condition::kPooled : Condition::kText,
                  expected, result);
  }
}

// In diffusers the vectors of a word have ids of their own, beyond the vocabulary; here their places hold 0.
void CheckDiffusersIds(const PromptEncoder& encoder, const std::string& prompt, const at::Tensor& theirs,
                       Report::Case& result) {
  const at::Tensor known =
      at::where(theirs > encoder.tokenizer().largest_id(), at::zeros_like(theirs), theirs);
  result.Compare("diffusers' ids",
                 at::tensor(encoder.Chunks(prompt, {}).chunks.at(0).ids, at::kLong).unsqueeze(0), known, 0);
}

void CheckLearntWords(const nlohmann::json& item, const GoldenOptions& options, Report::Case& result) {
  std::map<std::string, fs::path> files;
  for (const auto& file : item.at("files"))
    files[file.at("name")] = options.directory / file.at("file").get<std::string>();
  const ExtendedModel directory(options.directory / item.at("model").get<std::string>(), "embeddings", files);
  const PromptModel model(directory.path(), options);
  const std::string prompt = item.at("prompt"), plain = item.at("plain_prompt"), name = item.at("name");
  const Record& record = result.Open(options.directory / "textual_inversion" / (name + ".case.safetensors"));
  for (size_t i = 0; i < model.text().encoders(); ++i) {
    const PromptEncoder& encoder = model.text().encoder(i);
    const nlohmann::json& expected = item.at("encoder_" + std::to_string(i + 1)).at("chunks");
    const std::vector<PromptChunk> chunks = encoder.Chunks(prompt, {}).chunks;
    result.ExpectEqual("chunks", {static_cast<int64_t>(chunks.size())},
                       {static_cast<int64_t>(expected.size())});
    for (size_t k = 0; k < std::min(chunks.size(), expected.size()); ++k) {
      result.ExpectEqual("ids", chunks[k].ids, expected.at(k).at("ids"));
      ExpectWeights(chunks[k], expected.at(k).at("weights"), result);
      nlohmann::json words = nlohmann::json::array();
      for (const auto& word : chunks[k].words)
        words.push_back({word.place - 1, word.name});  // the mark apart
      result.Expect(words == expected.at(k).at("embeddings"), "words " + words.dump());
    }
    const std::string ids = std::string("in.diffusers.prompt_ids") + (i == 0 ? "" : "_2");
    CheckDiffusersIds(encoder, plain, record.Get(ids), result);
  }
  for (const std::string emphasis : {"original", "nonorm"}) {
    model.Compare(emphasis, RequestOf(prompt, emphasis), Condition::kText,
                  record.Get("out.webui." + emphasis), result);
  }
  for (const char* const same : {"out.webui.plain", "out.diffusers.prompt_embeds"})
    model.Compare(same, RequestOf(plain, "original"), Condition::kText, record.Get(same), result);
  if (record.Has("out.webui.pooled"))
    model.Compare("pooled", RequestOf(prompt, "original"), Condition::kPooled, record.Get("out.webui.pooled"),
                  result);
}

void RunLanguage(const GoldenOptions& options, Report& report) {
  const fs::path file = options.directory / "language" / "prompts.json";
  if (!fs::exists(file)) return;
  const nlohmann::json index = ReadGoldenJson(file);
  const auto tokenizer = ClipBpeTokenizer::FromDirectory(
      VocabularyOf(options.directory, index.at("vocabulary").get<std::string>()).string());
  const auto length = index.at("chunk_length").get<size_t>() + 2;  // and two marks
  int number = 0;
  for (const auto& item : index.at("cases")) {
    const std::string name = "language/" + std::to_string(number++);
    if (!options.Wants(name)) continue;
    report.Run(name, [&](Report::Case& result) { LanguageCase(item, *tokenizer, length).Check(result); });
  }
}

// Of an index's cases, each by its JSON file where it has one.
void RunIndexed(const std::string& suite,
                void (*check)(const nlohmann::json&, const GoldenOptions&, Report::Case&),
                const GoldenOptions& options, Report& report) {
  const fs::path folder = options.directory / suite;
  if (!fs::exists(folder / "index.json")) return;
  for (const auto& item : ReadGoldenJson(folder / "index.json")) {
    const std::string name = item.at("name");
    if (!options.Wants(suite + "/" + name)) continue;
    const fs::path own = folder / (name + ".case.json");
    const nlohmann::json whole = fs::exists(own) ? ReadGoldenJson(own) : item;
    report.Run(suite + "/" + name, [&](Report::Case& result) { check(whole, options, result); });
  }
}

}  // namespace

void RunPromptCases(const GoldenOptions& options, Report& report) {
  RunLanguage(options, report);
  RunIndexed("encode", CheckEncoded, options, report);
  RunIndexed("textual_inversion", CheckLearntWords, options, report);
}

}  // namespace mind::diffusion
