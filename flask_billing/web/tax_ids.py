"""Knows the kinds of tax id that the processor takes, and which one a country uses.

The codes are those of Stripe's tax id object; each begins with the country, or `eu` for the union.
"""

from __future__ import annotations

from functools import lru_cache

from babel import Locale

from flask_billing.web.countries import country_name, sorting_key

__all__ = ["KINDS", "kind_name", "kind_names", "usual_kind"]

_CODES = """
    ad_nrt ae_trn al_tin am_tin ao_tin ar_cuit au_abn au_acn au_arn au_wpn aw_tin az_tin ba_tin
    bb_tin bd_bin bf_ifu bg_uic bh_vat bj_ifu bo_tin br_cnpj br_cpf bs_tin bw_vat by_tin ca_bn
    ca_gst_hst ca_pst_bc ca_pst_mb ca_pst_sk ca_qst cd_nif ch_uid ch_vat ci_vat cl_tin cm_niu
    cn_tin co_nit cr_tin cv_nif cz_dic de_stn do_rcn ec_ruc eg_tin es_cif et_tin eu_oss_vat
    eu_vat fo_vat fr_siren fr_siret fr_spi gb_vat ge_vat gh_tin gi_tin gn_nif hk_br hr_oib
    hu_tin ic_nif id_npwp il_vat in_gst is_kt is_vat it_cf jp_cn jp_rn jp_trn ke_pin kg_tin
    kh_tin kr_brn kz_bin la_tin li_uid li_vat lk_vat ma_vat md_cf md_vat me_pib mk_vat mr_nif
    mu_vat mx_rfc my_frp my_itn my_sst mz_nuit ng_tin no_vat no_voec np_pan nz_bn nz_gst om_vat
    pe_ruc ph_tin pl_nip pt_nif py_ruc ro_tin rs_pib ru_inn ru_kpp sa_vat sg_gst sg_uen si_tin
    sm_coe sn_ninea sr_fin sv_nit th_vat tj_tin tr_tin tt_bir tt_vat tw_vat tz_vat ua_vat ug_tin
    us_ein uy_ruc uz_tin uz_vat ve_rif vn_tin za_vat zm_tin zw_tin
"""
_EU_COUNTRIES = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"

KINDS = frozenset(_CODES.split())

_EUROPEAN_UNION = frozenset(_EU_COUNTRIES.split())
#: What is meant where a country has several kinds.
_USUAL = {
    "AU": "au_abn",
    "BR": "br_cnpj",
    "CA": "ca_gst_hst",
    "CH": "ch_vat",
    "IS": "is_vat",
    "JP": "jp_trn",
    "LI": "li_vat",
    "MC": "eu_vat",
    "MD": "md_vat",
    "MY": "my_sst",
    "NO": "no_vat",
    "NZ": "nz_gst",
    "RU": "ru_inn",
    "SG": "sg_gst",
    "TT": "tt_vat",
    "UZ": "uz_vat",
}


def usual_kind(country: str) -> str | None:
    """Return the kind of tax id that a company in `country` is expected to have."""
    if country in _EUROPEAN_UNION:
        return "eu_vat"
    if country in _USUAL:
        return _USUAL[country]
    kinds = [kind for kind in KINDS if kind.startswith(f"{country.lower()}_")]
    return kinds[0] if len(kinds) == 1 else None


def kind_name(kind: str, locale: Locale) -> str:
    """Return what people call a kind of tax id, such as "Norway: VAT"."""
    place, _, letters = kind.partition("_")
    return f"{country_name(place.upper(), locale)}: {letters.upper().replace('_', ' ')}"


@lru_cache(maxsize=32)
def kind_names(locale: Locale) -> tuple[tuple[str, str], ...]:
    """Return pairs of kind and name, sorted as a reader of `locale` expects."""
    names = [(kind, kind_name(kind, locale)) for kind in KINDS]
    return tuple(sorted(names, key=lambda pair: sorting_key(pair[1])))
