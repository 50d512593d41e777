// The models of a worker: which there are, and those that are loaded.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_MODEL_CACHE_H_
#define MIND_WORKER_DIFFUSION_ENGINE_MODEL_CACHE_H_

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "worker/diffusion/engine/content_ledger.h"
#include "worker/diffusion/engine/model_stamps.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/mutex.h"
#include "worker/diffusion/pipelines/model_directory.h"

namespace mind::diffusion {

// A model has no room in memory until others are no longer in use.
class NoRoomNow : public Error {
 public:
  using Error::Error;
};

// There is no such model, or no longer as it was.
class NotServed : public RequestError {
 public:
  using RequestError::RequestError;
};

// Where the engine gets its pipelines from.
class ModelSource {
 public:
  virtual ~ModelSource() = default;
  // The loaded model, loading it now if need be; it stays in memory as long as the caller, or anyone, holds
  // it. Throws RequestError for an unknown name, ModelError if it cannot be loaded, NoRoomNow. Any thread may
  // call; may take long.
  virtual std::shared_ptr<const Pipeline> Get(const std::string& name) = 0;
  // The same if it is loaded, else null. Returns at once. Throws RequestError for an unknown name.
  virtual std::shared_ptr<const Pipeline> GetLoaded(const std::string& name) = 0;
  // `on_idle` is called, from any thread, whenever nobody holds a model any more, or there is room for
  // another reason; it must return at once and not call back. Null: nobody wants to know, and no call is
  // under way any more.
  virtual void NotifyIdle(std::function<void()> on_idle) {}
  // Models that nobody holds give back their memory. Any thread.
  virtual void UnloadIdle() {}
};

// The models in one folder, loaded on first use and kept, as far as there is room: then those used
// longest ago give way, but for those that would free nothing. Of a model its parts that need not stay
// between uses (droppable.h) go before the rest, and go while it is in use, too: in the end a model takes
// what has to stay and its largest such part. Weights that several have in common are in memory, and count,
// once. Must outlive what it hands out. Thread-safe.
class ModelCache : public ModelSource {
 public:
  // Called from the loading thread, if set; `in_memory` is weight_bytes() afterwards.
  struct Events {
    std::function<void(const std::string& model, double seconds, int64_t in_memory)> loaded;
    std::function<void(const std::string& model, int64_t in_memory)> unloaded;
    // Of a part by itself, whenever it is read; called from whoever uses it. Dropped: to make room for
    // something else.
    std::function<void(const std::string& model, const std::string& part, double seconds, int64_t in_memory)>
        part_loaded;
    std::function<void(const std::string& model, const std::string& part, int64_t in_memory)> part_dropped;
  };
  struct Rejected {
    std::string path, reason;
  };
  struct Options {
    FileParameters::Options parameters;
    int64_t memory_budget = 0;  // bytes of weights in memory at the most; 0: no limit
    Events events;
  };

  // Looks at what is in `folder` (or at `folder` itself, if it is a model). What claims to be a model but is
  // not served, among them what is beyond the whole budget, is listed with the reason.
  // Throws ModelError if the folder cannot be read.
  ModelCache(const std::string& folder, Options options);

  std::shared_ptr<const Pipeline> Get(const std::string& name) override;
  std::shared_ptr<const Pipeline> GetLoaded(const std::string& name) override;
  void NotifyIdle(std::function<void()> on_idle) override;
  void UnloadIdle() override;
  // Loads models in the order of their names until the next has no room. One that cannot be loaded, be it for
  // want of the device's memory, is then listed with the reason instead of served, and the others go on.
  // Before anybody else calls.
  void Preload();
  // What has changed about the models, by their names.
  struct Changes {
    std::vector<std::string> added;
    std::vector<std::string> replaced;   // with other weights, or other words
    std::vector<std::string> renewed;    // only described otherwise: other LoRAs
    std::vector<std::string> withdrawn;  // gone, or no longer what can be served
    std::vector<Rejected> rejected;      // of what has changed
    bool settling = false;               // something may be being copied: it is to be looked at again soon

    bool any() const { return !(added.empty() && replaced.empty() && renewed.empty() && withdrawn.empty()); }
  };
  // Looks at the folder again. What two looks in a row find changed and alike is taken; between them nobody
  // has written to it. Whoever holds a model goes on with it as it was; whoever asks gets the new one.
  // `load`: models that have come are loaded, if there is room, before they are served. One caller at a time.
  // Throws ModelError if the folder cannot be read.
  Changes LookAgain(bool load);

  // Those that are served, in name order.
  std::vector<ModelInfo> models() const;
  // Of the weights in memory, without tensors of less than 4096 numbers (HeldOnce). Looks at each tensor.
  int64_t weight_bytes() const { return options_.parameters.held->bytes(); }
  std::vector<Rejected> rejected() const;
  std::vector<std::string> LoadedNames() const;

 private:
  struct Slot;
  // Room for the parts of one slot's model.
  class PartsOfSlot : public RoomForParts {
   public:
    PartsOfSlot(ModelCache& cache, Slot& slot) : cache_(cache), slot_(slot) {}
    void Enter(const Part& part) override { cache_.EnterPart(slot_, part); }
    void Leave(const Part& part) override { cache_.LeavePart(slot_, part); }
    void Loaded(const Part& part, double seconds) override;
    void Forget(const Part& part) override { cache_.ForgetPart(slot_, part); }

   private:
    ModelCache& cache_;
    Slot& slot_;
  };
  struct Slot : std::enable_shared_from_this<Slot> {
    explicit Slot(ModelCache& cache) : room(cache, *this) {}

    std::string name, path, revision;
    WeightContents core;  // bytes of the weights that stay as long as the model does, by what they are
    Mutex loading;        // one loader at a time; others wait for its result
    PartsOfSlot room;
    // Guarded by the cache's mutex_, and constant what is before.
    ModelInfo info;
    int64_t largest_part = 0;     // bytes, of those that need not stay
    uint64_t words = 0;           // the stamp of its learnt words
    bool retired = false;         // another has taken its place, or none: it goes when nobody holds it
    std::set<const Part*> parts;  // that have room
    std::shared_ptr<const Pipeline> pipeline;
    int64_t leases = 0;      // callers of Get that still hold it
    uint64_t last_used = 0;  // of the count of uses
  };

  using SlotPtr = std::shared_ptr<Slot>;

  // The model there, not served yet. Null: what is there is none, or is listed with the reason.
  SlotPtr Consider(const std::string& path, const ModelStamp& stamp);
  void Reject(const std::string& path, const std::exception& error);
  SlotPtr SlotOf(const std::string& name) const;
  SlotPtr SlotAt(const std::string& path) const;
  void Serve(SlotPtr slot);
  // It is served no more.
  void Retire(const SlotPtr& slot);
  // What LookAgain makes of one path that has changed.
  void Renew(const std::string& path, const ModelStamp& stamp, bool load, Changes& changes);
  bool TakeDescription(Slot& slot, const Slot& now);
  // REQUIRES: slot->pipeline set.
  std::shared_ptr<const Pipeline> Lease(const SlotPtr& slot) MIND_REQUIRES(mutex_);
  void EndLease(Slot& slot);
  void TellIdle();
  // What can give way: a part that nobody uses, or (without a part) what stays of a model that nobody holds.
  struct Idle {
    Slot* slot = nullptr;
    const Part* part = nullptr;
  };
  // In the order in which they shall: used longest ago first, and of a model the parts before the rest.
  std::vector<Idle> IdleOnes() const MIND_REQUIRES(mutex_);
  // What has given way, to be destroyed without the lock.
  struct Unloaded {
    std::shared_ptr<Slot> slot;
    std::string part;  // empty: the model
    std::shared_ptr<const void> weights;
  };
  void Unload(Slot& slot, std::vector<Unloaded>& unloaded) MIND_REQUIRES(mutex_);
  void Drop(Slot& slot, const Part& part, std::vector<Unloaded>& unloaded) MIND_REQUIRES(mutex_);
  void Destroy(std::vector<Unloaded> unloaded);
  // Reserves room for what of the slot's weights stays, unloading what is idle as needed. Throws NoRoomNow.
  void MakeRoom(Slot& slot);
  // Has the idle make room for these weights: those used longest ago, and none in vain. `loading`: the slot
  // whose core they are; null: they are a part's. False: there is no room even without all of them, and
  // nothing has changed.
  bool GiveWay(const WeightContents& wanted, const Slot* loading, std::vector<Unloaded>& unloaded)
      MIND_REQUIRES(mutex_);
  // Whether these fit into the budget, and where a slot is loaded also its parts, one at a time, beside
  // whatever others.
  bool HasRoom(const WeightContents& wanted, const Slot* loading) const MIND_REQUIRES(mutex_);
  void Reserve(const Idle& one) MIND_REQUIRES(mutex_);
  void GiveBack(const Idle& one) MIND_REQUIRES(mutex_);
  void EnterPart(Slot& slot, const Part& part);
  void LeavePart(Slot& slot, const Part& part);
  void ForgetPart(Slot& slot, const Part& part);
  bool OthersAreUsed(const Part& part) const MIND_REQUIRES(mutex_);

  const std::string folder_;
  Options options_;  // constant after construction
  HeldOnce held_;    // given to what loads, if options_ name no other
  // LookAgain's: what has been taken, and what was seen last.
  std::map<std::string, ModelStamp> known_, seen_;

  mutable Mutex mutex_;
  std::condition_variable_any part_left_;  // somebody uses a part no longer
  // Of what is held or being loaded: all of it, and what stays as long as its model does.
  ContentLedger all_ MIND_GUARDED_BY(mutex_), cores_ MIND_GUARDED_BY(mutex_);
  std::set<Slot*> holding_ MIND_GUARDED_BY(mutex_);  // whose core is among that
  uint64_t uses_ MIND_GUARDED_BY(mutex_) = 0;
  std::vector<Rejected> rejected_ MIND_GUARDED_BY(mutex_);
  std::map<std::string, SlotPtr> slots_ MIND_GUARDED_BY(mutex_);  // by name

  Mutex idle_mutex_;  // held while on_idle_ runs
  std::function<void()> on_idle_ MIND_GUARDED_BY(idle_mutex_);
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_MODEL_CACHE_H_
