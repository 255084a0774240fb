# The mutants, by kernel: a barrier that is missing, a fragment turned round, a tail off by one, a
# mask forgotten.

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
clip_mutant(top_k_tail FILE select_keys.hpp UNIT top_k.cu
  FROM "at < count ? source(at)" TO "at <= count ? source(at)"
  TESTS test_ops "top k: every backend*")
