// SPDX-License-Identifier: MIT
// What TrainedResnet and its parts take from the arena, in the order in which they do.
#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "trainer/tower_memory.hpp"

namespace clip::trainer {

namespace {

/// The height of the arena, and the most it was.
class Height {
  public:
    explicit Height(const ArenaKind& arena) : arena_(arena) {}
    void take(std::int64_t floats) {
        now_ += arena_.bytes(floats);
        peak_ = std::max(peak_, now_);
    }
    std::int64_t now() const { return now_; }
    std::int64_t peak() const { return peak_; }
    void rewind(std::int64_t height) { now_ = height; }
    void forget_peak() { peak_ = now_; }

  private:
    ArenaKind arena_;
    std::int64_t now_ = 0, peak_ = 0;
};

/// A square map of all pictures.
struct Map {
    std::int64_t side = 0, channels = 0;
};

class Resnet {
  public:
    Resnet(const ModelConfig& config, std::int64_t pictures, bool frugal, const ArenaKind& arena)
        : config_(config), pictures_(pictures), frugal_(frugal), arena_(arena), height_(arena) {
        const std::int64_t width = config.vision.width;
        std::int64_t side = config.vision.image_size / 4;
        behind_stem_ = {side, width};
        Map x = behind_stem_;
        for (std::size_t stage = 0; stage < 4; ++stage)
            for (std::int64_t block = 0; block < config.vision.stages[stage]; ++block) {
                const int stride = stage > 0 && block == 0 ? 2 : 1;
                const std::int64_t narrow = width << stage;
                const Map y{x.side / stride, 4 * narrow};
                blocks_.push_back({x, y, narrow, stride, stride > 1 || x.channels != y.channels});
                x = y;
            }
        for (const Block& block : blocks_)
            largest_ = std::max({largest_, floats(block.x), floats(block.y)});
    }

    TowerMemory memory() {
        TowerMemory memory;
        forward(true);
        memory.kept = height_.now();
        height_.forget_peak();
        backward();
        memory.backward = height_.peak() - memory.kept;
        height_ = Height(arena_);
        forward(false);
        memory.forward = height_.peak();
        return memory;
    }

  private:
    struct Block {
        Map x, y;
        std::int64_t narrow;
        int stride;
        bool shortcut;
        Map wide() const { return {x.side, narrow}; }
        Map pooled(std::int64_t channels) const { return {x.side / stride, channels}; }
    };

    std::int64_t floats(const Map& map) const {
        return pictures_ * map.side * map.side * map.channels;
    }
    void take(const Map& map) { height_.take(floats(map)); }
    /// TrainedConv::forward(), whose result is there already or not.
    void conv(const Map& y, bool takes_result) {
        if (takes_result)
            take(y);
        take(y);
        height_.take(y.channels);
        height_.take(y.channels);
    }
    void take_turns() {
        height_.take(largest_);
        height_.take(largest_);
    }

    void stem() {
        const std::int64_t side = config_.vision.image_size, width = config_.vision.width;
        take({side, 3});
        conv({side / 2, width / 2}, true);
        conv({side / 2, width / 2}, true);
        conv({side / 2, width}, true);
    }

    void block(const Block& block) {
        conv(block.wide(), true);
        conv(block.wide(), true);
        if (block.shortcut) {
            if (block.stride > 1)
                take(block.pooled(block.x.channels));
            conv(block.y, true);
        }
        if (block.stride > 1)
            take(block.pooled(block.narrow));
        conv(block.y, false);
    }

    void attention_pool() {
        const Map x = blocks_.back().y;
        const std::int64_t tokens = pictures_ * (x.side * x.side + 1);
        for (int i = 0; i < 3; ++i)
            height_.take(tokens * x.channels);
        for (int i = 0; i < 3; ++i)
            height_.take(pictures_ * x.channels);
        height_.take(pictures_ * config_.vision.heads);
    }

    void forward(bool keep) {
        const auto give_back = [&](std::int64_t height) {
            if (!keep || frugal_)
                height_.rewind(height);
        };
        if (!keep)
            take_turns();
        else
            take(behind_stem_);
        std::int64_t mark = height_.now();
        stem();
        give_back(mark);
        for (const Block& each : blocks_) {
            if (keep)
                take(each.y);
            mark = height_.now();
            block(each);
            give_back(mark);
        }
        mark = height_.now();
        attention_pool();
        give_back(mark);
    }

    void block_backward(const Block& each) {
        if (frugal_)
            block(each);
        if (each.shortcut)
            take(each.y);
        const std::int64_t branch = height_.now();
        take(each.wide());
        if (each.stride > 1)
            take(each.pooled(each.narrow));
        take(each.wide());
        if (!each.shortcut) {
            take(each.x);
            return;
        }
        height_.rewind(branch);
        take(each.x);
        if (each.stride > 1)
            take(each.pooled(each.x.channels));
    }

    void backward() {
        take_turns();
        const std::int64_t turns = height_.now();
        if (frugal_)
            attention_pool();
        const Map x = blocks_.back().y;
        const std::int64_t tokens = pictures_ * (x.side * x.side + 1);
        for (int i = 0; i < 2; ++i)
            height_.take(pictures_ * x.channels);
        for (int i = 0; i < 3; ++i)
            height_.take(tokens * x.channels);
        height_.rewind(turns);
        for (const Block& each : blocks_) {
            block_backward(each);
            height_.rewind(turns);
        }
        if (frugal_)
            stem();
        const std::int64_t half = config_.vision.image_size / 2, width = config_.vision.width;
        take({half, width});
        take({half, width / 2});
        take({half, width / 2});
    }

    const ModelConfig& config_;
    std::int64_t pictures_;
    bool frugal_;
    ArenaKind arena_;
    Map behind_stem_;
    std::vector<Block> blocks_;
    std::int64_t largest_ = 0;
    Height height_;
};

} // namespace

TowerMemory resnet_memory(const ModelConfig& config, std::int64_t pictures, bool frugal,
                          const ArenaKind& arena) {
    return Resnet(config, pictures, frugal, arena).memory();
}

} // namespace clip::trainer
