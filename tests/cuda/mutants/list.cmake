# The mutants, by kernel: a barrier that is missing, a fragment turned round, a tail off by one, a
# mask forgotten.

# Products (mma.sync)
clip_mutant(gemm_no_barrier FILE gemm_core.hpp UNIT linear.cu
  FROM "block_barrier(); // this tile is there for all, and nobody reads the one before it"
  TO "" TESTS test_ops "linear:*")
clip_mutant(gemm_no_wait FILE gemm_core.hpp UNIT linear.cu
  FROM "copy_async_wait<kAhead - 1>();" TO "copy_async_wait<kAhead>();"
  TESTS test_ops "linear:*")
clip_mutant(gemm_fragment_turned FILE gemm_tile.hpp UNIT linear.cu
  FROM "tile + Tile::offset(m + lane() % 16, step * 2 + lane() / 16)"
  TO "tile + Tile::offset(m + lane() % 8 + lane() / 16 * 8, step * 2 + lane() / 8 % 2)"
  TESTS test_ops "linear:*")
clip_mutant(gemm_tail_of_k FILE tile_loader.hpp UNIT linear.cu
  FROM "const std::int64_t left = (width - index) * static_cast<std::int64_t>(sizeof(T));"
  TO "const std::int64_t left = (width + 1 - index) * static_cast<std::int64_t>(sizeof(T));"
  TESTS test_ops "linear:*")
clip_mutant(gemm_tail_of_rows FILE gemm_core.hpp UNIT linear.cu
  FROM "if (to < extents.rows && count > 0)" TO "if (to <= extents.rows && count > 0)"
  TESTS test_ops "linear:*")
clip_mutant(gemm_two_products_of_three FILE gemm_math.hpp UNIT linear.cu
  FROM "mma_m16n8k8_tf32(piece[j], small_a, finite_b[j]);" TO "" TESTS test_ops "linear:*")
clip_mutant(gemm_transposed_fragment FILE gemm_tile.hpp UNIT linear_backward.cu
  FROM "Tile::element(tile, step * 8 + lane() % 4 + i / 2 * 4, m + lane() / 4 + i % 2 * 8);"
  TO "Tile::element(tile, step * 8 + lane() % 4 + i % 2 * 4, m + lane() / 4 + i / 2 * 8);"
  TESTS test_ops "linear backward:*")

# Convolutions gather windows; a mask says what lies outside of the picture.
clip_mutant(conv2d_no_padding_mask FILE window_loader.hpp UNIT conv2d.cu
  FROM "if (y < 0 || x < 0)" TO "if (y < 0)" TESTS test_ops "conv2d:*")
clip_mutant(conv2d_edge FILE window_loader.hpp UNIT conv2d.cu
  FROM "if (y >= windows.picture_height || x >= windows.picture_width)"
  TO "if (y >= windows.picture_height || x > windows.picture_width)" TESTS test_ops "conv2d:*")

clip_mutant(conv2d_kernel_not_turned FILE convolution.cu UNIT convolution.cu
  FROM "order.taps - 1 - tap" TO "tap" TESTS test_ops "conv2d backward:*")
clip_mutant(conv2d_between_pixels FILE window_loader.hpp UNIT conv2d_backward.cu
  FROM "windows.divide.remainder(y, whole_y) != 0 ||" TO "" TESTS test_ops "conv2d backward:*")

# Batch norm, pools and tokens
clip_mutant(batch_norm_row_too_many FILE column_sums.hpp UNIT batch_norm.cu
  FROM "r < end" TO "r <= end" TESTS test_ops "batch norm*")
clip_mutant(batch_norm_biased_variance FILE batch_norm.cu UNIT batch_norm.cu
  FROM "squares / (to.count - 1)" TO "squares / to.count" TESTS test_ops "batch norm*")
clip_mutant(mean_token_all_write FILE mean_token.cu UNIT mean_token.cu
  FROM "if (place_lane != 0 || column >= columns)" TO "if (column >= columns)"
  TESTS test_ops "mean token:*")
clip_mutant(avg_pool_edge FILE avg_pool.cu UNIT avg_pool.cu
  FROM "if (pooled_line < size.out_height && pooled_column < size.out_width)"
  TO "if (pooled_line < size.out_height)" TESTS test_ops "avg pool backward:*")
clip_mutant(channels_last_pitch FILE channels_last.cu UNIT channels_last.cu
  FROM "tile[(i + w) % channels * size.pitch + (i + w) / channels]"
  TO "tile[(i + w) % channels * kTilePlaces + (i + w) / channels]" TESTS test_ops "channels last:*")

# Attention
clip_mutant(attention_no_causal_mask FILE attention.cu UNIT attention.cu
  FROM "if (key >= tile.keys || (p.causal && key >= row + past))" TO "if (key >= tile.keys)"
  TESTS test_ops "attention:*")
clip_mutant(attention_mask_off_by_one FILE attention.cu UNIT attention.cu
  FROM "(p.causal && key >= row + past)" TO "(p.causal && key > row + past)"
  TESTS test_ops "attention:*")
clip_mutant(attention_end_of_keys FILE attention.cu UNIT attention.cu
  FROM "if (key >= tile.keys ||" TO "if (key > tile.keys ||" TESTS test_ops "attention:*")
clip_mutant(attention_no_barrier FILE attention.cu UNIT attention.cu
  FROM "            break;
        copy_async_wait<0>();
        block_barrier();"
  TO "            break;
        copy_async_wait<0>();"
  TESTS test_ops "attention:*")
clip_mutant(attention_no_fade FILE attention_softmax.hpp UNIT attention.cu
  FROM "y[t][n][e] *= fade;" TO "y[t][n][e] *= 1.0F;" TESTS test_ops "attention:*")
# What 16 bits have of their own
clip_mutant(attention_half_weights FILE attention_fragments.hpp UNIT attention.cu
  FROM "a.at[1] = pack<T>(low[2], low[3]);
        a.at[2] = pack<T>(high[0], high[1]);"
  TO "a.at[2] = pack<T>(low[2], low[3]);
        a.at[1] = pack<T>(high[0], high[1]);"
  TESTS test_ops "attention: 16 bits: every*")
clip_mutant(attention_tall_mask FILE attention.cu UNIT attention.cu
  FROM "const int row = first_row + t * 16 + e / 2 * 8 + lane() / 4;"
  TO "const int row = first_row + e / 2 * 8 + lane() / 4;"
  TESTS test_ops "attention: 16 bits: every*")
clip_mutant(attention_no_first_wait FILE attention.cu UNIT attention.cu
  FROM "copy_async_wait<0>();
    block_barrier();

    const Shared<T> own"
  TO "block_barrier();

    const Shared<T> own"
  TESTS test_ops "attention: 16 bits: every*")
clip_mutant(attention_backward_half_keys FILE attention_fragments.hpp UNIT attention_backward.cu
  FROM "(lane() / 16 * 8 + lane() % 8) * stride + lane() / 8 % 2 * 8"
  TO "(lane() / 8 % 2 * 8 + lane() % 8) * stride + lane() / 16 * 8"
  TESTS test_ops "attention backward: 16 bits*")
clip_mutant(attention_backward_half_sums FILE attention_fragments.hpp UNIT attention_backward.cu
  FROM "a.at[3] = pack<T>(high[2], high[3]);" TO "a.at[3] = pack<T>(high[3], high[2]);"
  TESTS test_ops "attention backward: 16 bits*")
clip_mutant(attention_backward_mask FILE attention_backward.cu UNIT attention_backward.cu
  FROM "warp_end = last_row < first_row ? 0 : min(others, last_row + 1 + past);"
  TO "warp_end = last_row < first_row ? 0 : min(others, last_row + past);"
  TESTS test_ops "attention backward:*")

# Rows
clip_mutant(layer_norm_tail FILE layer_norm.cu UNIT layer_norm.cu
  FROM "if (first_of_lane(i) + e < args.width) // what is behind the row is not at its mean"
  TO "if (first_of_lane(i) + e <= args.width)" TESTS test_ops "layer norm:*")
clip_mutant(block_sum_no_barrier FILE warp_reduce.hpp UNIT layer_norm.cu
  FROM "        scratch[warp()] = own;
    block_barrier();
    float sum = scratch[0];"
  TO "        scratch[warp()] = own;
    float sum = scratch[0];"
  TESTS test_ops "layer norm:*")
clip_mutant(warp_sum_short FILE warp_reduce.hpp UNIT l2_normalize.cu
  FROM "CLIP_DEVICE float warp_sum(float value) {
    for (int mask = kWarpSize / 2; mask > 0; mask /= 2)"
  TO "CLIP_DEVICE float warp_sum(float value) {
    for (int mask = kWarpSize / 2; mask > 1; mask /= 2)"
  TESTS test_ops "l2 normalize:*")
clip_mutant(adamw_last_quad FILE adamw.cu UNIT adamw.cu
  FROM "const std::int64_t end = min(begin + kPiece, entry.count);"
  TO "const std::int64_t end = min(begin + kPiece, entry.count - 1);" TESTS test_ops "adamw*")

# Preprocessing
clip_mutant(preprocess_rounds_down FILE preprocess.cu UNIT preprocess.cu
  FROM "sum + (1 << (kWeightBits - 1))" TO "sum" TESTS test_ops "preprocess:*")
clip_mutant(preprocess_picture_search FILE piece_search.hpp UNIT preprocess.cu
  FROM "if (at.first_piece <= piece)" TO "if (at.first_piece < piece)" TESTS test_ops "preprocess:*")
clip_mutant(preprocess_last_lines FILE preprocess.cu UNIT preprocess.cu
  FROM "min(line + l, lines - 1)" TO "min(line + l, lines)" TESTS test_ops "preprocess:*")
clip_mutant(preprocess_first_line FILE preprocess.cu UNIT preprocess.cu
  FROM "group * kLines + l - first" TO "group * kLines + l - first / kLines * kLines"
  TESTS test_ops "preprocess:*")

# Hopper: only a machine that is asked to be one has these.
clip_mutant(hopper_no_wait FILE gemm_hopper.hpp UNIT linear_hopper.cu
  FROM "        barrier_wait(full + ring.stage, ring.round);" TO ""
  TESTS test_ops "linear:*" HOPPER)
clip_mutant(hopper_empty_too_early FILE gemm_hopper.hpp UNIT linear_hopper.cu
  FROM "        wgmma_wait<1>();" TO "" TESTS test_ops "linear:*" HOPPER)
clip_mutant(hopper_no_empty_wait FILE gemm_hopper.hpp UNIT linear_hopper.cu
  FROM "barrier_wait(empty + ring.stage, ring.round + 1);" TO ""
  TESTS test_ops "linear:*" HOPPER)
clip_mutant(hopper_tail_of_k FILE gemm_hopper.hpp UNIT linear_hopper.cu
  FROM "(extents.depth + kTileColumns - 1) / kTileColumns" TO "extents.depth / kTileColumns"
  TESTS test_ops "linear:*" HOPPER)
clip_mutant(hopper_tail_of_rows FILE gemm_hopper.hpp UNIT linear_hopper.cu
  FROM "min(16, p.rows - row)" TO "min(16, p.rows - row + 1)"
  TESTS test_ops "linear:*" HOPPER)

set(hopper_attention FILE attention_hopper.cu UNIT attention_hopper.cu)
clip_mutant(attention_hopper_no_causal_mask ${hopper_attention}
  FROM "if (key >= block.tile.keys || (p.causal && key >= row + block.past))"
  TO "if (key >= block.tile.keys)" TESTS test_ops "attention: 16 bits*" HOPPER)
clip_mutant(attention_hopper_end_of_keys ${hopper_attention}
  FROM "if (key >= block.tile.keys ||" TO "if (key > block.tile.keys ||"
  TESTS test_ops "attention: 16 bits*" HOPPER)
clip_mutant(attention_hopper_steps ${hopper_attention}
  FROM "steps = (needed + kKeys - 1) / kKeys;" TO "steps = (needed + kKeys - 2) / kKeys;"
  TESTS test_ops "attention: 16 bits*" HOPPER)
clip_mutant(attention_hopper_values_phase ${hopper_attention}
  FROM "barrier_wait(barriers.values + stage, round);"
  TO "barrier_wait(barriers.values + stage, round + 1);"
  TESTS test_ops "attention: 16 bits*" HOPPER)
clip_mutant(attention_hopper_no_empty_wait ${hopper_attention}
  FROM "barrier_wait(barriers.empty + stage, round + 1); // free in the first round" TO ""
  TESTS test_ops "attention: 16 bits*" HOPPER)
clip_mutant(attention_hopper_no_wait ${hopper_attention}
  FROM "wgmma_wait<0>(scores);" TO "" TESTS test_ops "attention: 16 bits*" HOPPER)
clip_mutant(attention_hopper_no_fence ${hopper_attention}
  FROM "fence_proxy_async();" TO "" TESTS test_ops "attention: 16 bits*" HOPPER)
clip_mutant(attention_hopper_values_stay ${hopper_attention}
  FROM "store(values + (panel * kPanel + i * 8), Vec<T, 8>{});" TO ";"
  TESTS test_ops "attention: 16 bits: what is not finite*" HOPPER)
clip_mutant(attention_hopper_scale ${hopper_attention}
  FROM "std::max(args.scale * kLog2E," TO "std::max(args.scale,"
  TESTS test_ops "attention: 16 bits*" HOPPER)
clip_mutant(attention_hopper_values_row ${hopper_attention}
  FROM "load(at + kBytes, p.v, row, barriers.values + stage);"
  TO "load(at + kBytes, p.v, row + 1, barriers.values + stage);"
  TESTS test_ops "attention: 16 bits*" HOPPER)

# Ops between vectors.
clip_mutant(score_fragment FILE product_tile.hpp UNIT similarity.cu
  FROM "k * 2 + lane() / 8 % 2" TO "k * 2 + 1 - lane() / 8 % 2"
  TESTS test_ops "similarity: every backend*")
clip_mutant(score_barrier FILE product_tile.hpp UNIT similarity.cu
  FROM "block_barrier(); // stage i is there" TO "// stage i is there"
  TESTS test_ops "similarity: every backend*")
clip_mutant(score_small_part FILE split_tf32.hpp UNIT similarity.cu
  FROM "mma_m16n8k8_tf32(d, a.high, b.low);" TO ""
  TESTS test_ops "similarity: every backend*")
clip_mutant(weighted_columns_fragment FILE product_tile.hpp UNIT score_gradient.cu
  FROM "lane() % 4 + i % 2 * 4" TO "lane() % 4 * 2 + i % 2"
  TESTS test_ops "contrastive rows: every backend*")
clip_mutant(contrastive_tail FILE contrastive_loss.cu UNIT contrastive_loss.cu
  FROM "if (column + TileSums::column(n, i) < of.columns)"
  TO "if (column + TileSums::column(n, i) <= of.columns)"
  TESTS test_ops "contrastive rows: every backend*")
clip_mutant(siglip_tail FILE siglip_loss.cu UNIT siglip_loss.cu
  FROM "if (c + j >= of.columns)" TO "if (c + j > of.columns)"
  TESTS test_ops "siglip rows: loss*")
clip_mutant(token_loss_no_barrier FILE token_loss.cu UNIT token_loss.cu
  FROM "block_barrier(); // warp 0 has read the tokens' logits" TO ""
  TESTS test_ops "token loss: every backend*")
clip_mutant(token_loss_origin FILE token_loss.cu UNIT token_loss.cu
  FROM "all.sum = all.sum * exp(all.largest - largest);" TO ""
  TESTS test_ops "token loss: every backend*")
clip_mutant(token_scores_tail FILE token_loss.cu UNIT token_loss.cu
  FROM "t < end; t += kWarpSize" TO "t <= end; t += kWarpSize"
  TESTS test_ops "token scores: every backend*")
clip_mutant(top_k_tail FILE select_keys.hpp UNIT top_k.cu
  FROM "at < count ? source(at)" TO "at <= count ? source(at)"
  TESTS test_ops "top k: every backend*")
