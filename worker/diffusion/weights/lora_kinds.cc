#include "worker/diffusion/weights/lora_kinds.h"

#include <cmath>

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {
namespace {

class Parts {
 public:
  Parts(const std::string& what, const UpdateParts& parts, const at::Tensor& weight,
        const std::function<double(double rank)>& factor_of)
      : what_(what), parts_(parts), weight_(weight), factor_of_(factor_of) {}

  StoredUpdate Update() const {
    StoredUpdate update;
    if (Has("hada_w1_a")) {
      update.delta = Hadamard();
    } else if (Has("lokr_w1") || Has("lokr_w1_a")) {
      update.delta = Kronecker();
    } else if (Has("diff")) {
      update.delta = Fitting(Get("diff"));
    } else if (Has("down") || Has("up") || !Has("diff_b")) {
      LowRank(update);
    }
    if (Has("diff_b")) {
      update.bias = Get("diff_b");
      if (update.bias.dim() != 1 || update.bias.size(0) != weight_.size(0)) DoNotFit("diff_b", update.bias);
    }
    if (Has("dora_scale")) Rescale(update);
    return update;
  }

 private:
  bool Has(const std::string& part) const { return parts_.count(part) != 0; }

  at::Tensor Get(const std::string& part) const {
    const auto found = parts_.find(part);
    if (found == parts_.end()) throw ModelError(what_ + ": has no " + part + " part");
    if (!found->second.is_floating_point())
      throw ModelError(what_ + ": its " + part + " part holds integers");
    return found->second.to(at::kFloat);
  }

  [[noreturn]] void DoNotFit(const std::string& parts, const at::Tensor& tensor) const {
    throw ModelError(what_ + ": " + parts + " " + ShapeText(tensor.sizes()) +
                     " do not fit the layer's weight " + ShapeText(weight_.sizes()));
  }

  at::Tensor Fitting(const at::Tensor& delta) const {
    if (delta.numel() != weight_.numel()) DoNotFit("its parts", delta);
    return delta.reshape(weight_.sizes());
  }

  double FactorOf(double rank) const {
    if (!Has("alpha")) return factor_of_(rank);
    const at::Tensor alpha = Get("alpha");
    if (alpha.numel() != 1) throw ModelError(what_ + ": its alpha is not one number");
    const double factor = alpha.item<double>() / rank;
    if (!std::isfinite(factor)) throw ModelError(what_ + ": its alpha is not a finite number");
    return factor;
  }

  // Products only of parts that will make something of the weight's size.
  at::Tensor Product(const std::string& a, const std::string& b) const {
    const at::Tensor left = Get(a), right = Get(b);
    if (left.dim() != 2 || right.dim() != 2 || left.size(1) != right.size(0) || left.size(1) < 1 ||
        left.size(0) * right.size(1) > weight_.numel()) {
      throw ModelError(what_ + ": " + a + " " + ShapeText(left.sizes()) + " and " + b + " " +
                       ShapeText(right.sizes()) + " do not fit the layer's weight " +
                       ShapeText(weight_.sizes()));
    }
    return at::mm(left, right);
  }

  // t [i, j, k, l] between a [i, p] and b [j, r]: [p, r, k, l].
  at::Tensor Tucker(const std::string& t, const std::string& a, const std::string& b) const {
    const at::Tensor middle = Get(t), left = Get(a), right = Get(b);
    if (middle.dim() != 4 || left.dim() != 2 || right.dim() != 2 || middle.size(0) != left.size(0) ||
        middle.size(1) != right.size(0) ||
        left.size(1) * right.size(1) * middle.size(2) * middle.size(3) > weight_.numel()) {
      DoNotFit(t + ", " + a + " and " + b, middle);
    }
    return at::einsum("ijkl,ip,jr->prkl", {middle, left, right});
  }

  void LowRank(StoredUpdate& update) const {
    const at::Tensor stored = parts_.count("down") != 0 ? parts_.at("down") : at::Tensor();
    const at::Tensor up = parts_.count("up") != 0 ? parts_.at("up") : at::Tensor();
    if (!stored.defined() || !up.defined())
      throw ModelError(what_ + (stored.defined() ? ": has a down but no up part" : ": has no down part"));
    at::Tensor down = stored;
    if (Has("mid")) {
      const at::Tensor mid = Get("mid"), first = Get("down").flatten(1);
      if (mid.dim() != 4 || mid.size(1) != first.size(0)) DoNotFit("mid", mid);
      down = at::einsum("pqhw,qi->pihw", {mid, first});
    }
    const int64_t rank = down.dim() > 0 ? down.size(0) : 0;
    std::vector<int64_t> down_shape = weight_.sizes().vec(), up_shape(weight_.sizes().size(), 1);
    down_shape[0] = up_shape[1] = rank;
    up_shape[0] = weight_.size(0);
    if (rank < 1 || !down.is_floating_point() || !up.is_floating_point() ||
        down.numel() != c10::multiply_integers(down_shape) ||
        up.numel() != c10::multiply_integers(up_shape)) {
      throw ModelError(what_ + ": down " + ShapeText(down.sizes()) + " and up " + ShapeText(up.sizes()) +
                       " do not fit the layer's weight " + ShapeText(weight_.sizes()));
    }
    update.down = down.reshape(down_shape);
    update.up = up.reshape(up_shape);
    update.factor = FactorOf(static_cast<double>(rank));
  }

  at::Tensor Hadamard() const {
    const double rank = static_cast<double>(Get("hada_w1_b").size(0));
    const bool tucker = Has("hada_t1");
    const at::Tensor first =
        tucker ? Tucker("hada_t1", "hada_w1_a", "hada_w1_b") : Product("hada_w1_a", "hada_w1_b");
    const at::Tensor second =
        tucker ? Tucker("hada_t2", "hada_w2_a", "hada_w2_b") : Product("hada_w2_a", "hada_w2_b");
    if (first.sizes() != second.sizes()) DoNotFit("hada_w1 and hada_w2", second);
    return Fitting(first * second) * FactorOf(rank);
  }

  at::Tensor Kronecker() const {
    std::optional<int64_t> rank;
    const auto factor = [&](const std::string& name, const std::string& middle) {
      if (Has(name)) return Get(name);
      rank = Get(name + "_b").size(0);
      return Has(middle) ? Tucker(middle, name + "_a", name + "_b") : Product(name + "_a", name + "_b");
    };
    at::Tensor first = factor("lokr_w1", "lokr_t1");
    const at::Tensor second = factor("lokr_w2", "lokr_t2");
    if (first.dim() < 1 || second.dim() < first.dim() || first.numel() * second.numel() != weight_.numel())
      DoNotFit("lokr_w1 and lokr_w2", second);
    while (first.dim() < second.dim()) first = first.unsqueeze(-1);
    // An alpha beside whole factors says nothing.
    return Fitting(at::kron(first.contiguous(), second.contiguous())) *
           (rank ? FactorOf(static_cast<double>(*rank)) : 1);
  }

  void Rescale(StoredUpdate& update) const {
    const at::Tensor weight = weight_.to(at::kCPU, at::kFloat);
    if (!update.delta.defined()) {
      update.delta =
          Fitting(at::mm(update.up.to(at::kFloat).flatten(1), update.down.to(at::kFloat).flatten(1))) *
          update.factor;
      update.down = update.up = at::Tensor();
    }
    const at::Tensor scale = Get("dora_scale"), whole = weight + update.delta;
    const bool by_row = scale.dim() > 0 && scale.size(0) == weight.size(0) && scale.numel() == weight.size(0);
    const bool by_column = !by_row && scale.numel() == weight.size(1);
    if (!by_row && !by_column) DoNotFit("dora_scale", scale);
    std::vector<int64_t> shape(static_cast<size_t>(weight.dim()), 1), over;
    shape[by_row ? 0 : 1] = scale.numel();
    for (int64_t d = 0; d < weight.dim(); ++d) {
      if (d != (by_row ? 0 : 1)) over.push_back(d);
    }
    const at::Tensor norm = whole.pow(2).sum(over, /*keepdim=*/true).sqrt();
    update.delta = whole * (scale.reshape(shape) / norm) - weight;
  }

  const std::string& what_;
  const UpdateParts& parts_;
  const at::Tensor& weight_;
  const std::function<double(double rank)>& factor_of_;
};

}  // namespace

StoredUpdate UpdateOf(const std::string& what, const UpdateParts& parts, const at::Tensor& weight,
                      const std::function<double(double rank)>& factor_of) {
  return Parts(what, parts, weight, factor_of).Update();
}

}  // namespace mind::diffusion
