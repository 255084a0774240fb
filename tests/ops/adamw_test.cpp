// SPDX-License-Identifier: MIT
#include "ops/adamw.hpp"

#include "ops/training_golden.hpp"
#include "support/cases.hpp"

using namespace clip;
using namespace clip::test;

TEST_CASE("adamw: three steps over two groups are PyTorch's") {
    for (const std::string& name : backend_names()) {
        INFO(name);
        Backend& used = backend(name, 2);
        std::vector<float> decayed = golden_f32("adamw.decayed"), bare = golden_f32("adamw.bare");
        std::vector<float> mean[2] = {std::vector<float>(5), std::vector<float>(3)};
        std::vector<float> square[2] = {std::vector<float>(5), std::vector<float>(3)};
        for (int step = 0; step < 3; ++step) {
            const std::string number = std::to_string(step);
            // Twice the gradient, and half of it again by grad_scale.
            auto grad = golden_f32("adamw.grad.decayed." + number);
            auto other = golden_f32("adamw.grad.bare." + number);
            for (auto* each : {&grad, &other})
                for (float& value : *each)
                    value *= 2;
            CallMemory memory;
            const auto at = [&](std::vector<float>& of) {
                return memory.through(of, {static_cast<std::int64_t>(of.size())}).f32();
            };
            const AdamWParameter parameters[] = {
                {at(decayed), memory.in(grad, {5}).f32(), at(mean[0]), at(square[0]), 5, true},
                {at(bare), memory.in(other, {3}).f32(), at(mean[1]), at(square[1]), 3, false}};
            CHECK(ops::grad_norm(used, parameters) ==
                  doctest::Approx(2 * training_golden("adamw.norm." + number)[0]).epsilon(1e-6));
            AdamWArgs args;
            args.parameters = parameters;
            args.learning_rate = 1e-2;
            args.beta2 = 0.98;
            args.eps = 1e-6;
            args.weight_decay = 0.2;
            args.grad_scale = 0.5f;
            args.step = step + 1;
            ops::adamw(used, args);
            memory.write_back();
            check_golden("adamw.decayed." + number, decayed, 5e-7);
            check_golden("adamw.bare." + number, bare, 5e-7);
        }
    }
}

TEST_CASE("adamw, grad_norm: the same bits on any number of threads, in many pieces") {
    constexpr std::int64_t kCount = 100001;
    const auto grad = values(kCount, 1), start = values(kCount, 2);
    for (const std::string& name : backend_names()) {
        std::vector<float> first;
        double norm = 0;
        for (const std::size_t threads : {1, 2, 3}) {
            Backend& used = backend(name, threads);
            std::vector<float> weight = start;
            const std::vector<float> zeros(start.size());
            CallMemory memory;
            const Shape shape{kCount};
            const AdamWParameter parameters[] = {{memory.through(weight, shape).f32(),
                                                  memory.in(grad, shape).f32(),
                                                  memory.in_out(zeros, shape).f32(),
                                                  memory.in_out(zeros, shape).f32(), kCount, true}};
            AdamWArgs args;
            args.parameters = parameters;
            args.learning_rate = 1e-3;
            args.weight_decay = 0.1;
            ops::adamw(used, args);
            memory.write_back();
            if (threads == 1) {
                first = weight;
                norm = ops::grad_norm(used, parameters);
            }
            INFO(name);
            CHECK(compare_bits(weight, first).ok);
            CHECK(ops::grad_norm(used, parameters) == norm);
        }
        double squares = 0;
        for (const float g : grad)
            squares += static_cast<double>(g) * g;
        CHECK(norm == doctest::Approx(std::sqrt(squares)).epsilon(1e-12));
    }
}

TEST_CASE("adamw: rejects wrong arguments") {
    Backend& used = backend("ref", 1);
    std::vector<float> memory(4);
    AdamWParameter parameter{
        memory.data(), memory.data() + 1, memory.data() + 2, memory.data() + 3, 1, true};
    AdamWArgs good;
    good.parameters = {&parameter, 1};
    CHECK_NOTHROW(ops::adamw(used, good));
    const auto bad = [&](const char* what, auto change) {
        AdamWArgs changed = good;
        AdamWParameter other = parameter;
        changed.parameters = {&other, 1};
        change(changed, other);
        check_error(
            ErrorCode::invalid_argument, [&] { ops::adamw(used, changed); }, what);
    };
    bad("step", [](auto& a, auto&) { a.step = 0; });
    bad("beta", [](auto& a, auto&) { a.beta2 = 1; });
    bad("eps", [](auto& a, auto&) { a.eps = 0; });
    bad("no gradient", [](auto&, auto& p) { p.grad = nullptr; });
    bad("no state", [](auto&, auto& p) { p.square = nullptr; });
    bad("count", [](auto&, auto& p) { p.count = -1; });
}
